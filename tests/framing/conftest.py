"""The twins of the hot loops, plain Python and compiled, as fixtures."""

from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import pytest

from mezha.framing import Decoder, _plain, kernels


@pytest.fixture(scope="module")
def native() -> ModuleType:
    module: ModuleType = pytest.importorskip("mezha.framing._native", reason="it was not compiled")
    return module


@pytest.fixture(scope="module", params=["plain", "native"])
def twin(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Each of the twins, and all framings use it."""
    module = _plain if request.param == "plain" else request.getfixturevalue("native")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mezha.framing.length.length_kernel", module.length_kernel)
        patch.setattr("mezha.framing.varint.varint_run", module.varint_run)
        patch.setattr("mezha.framing.fixed.fixed_kernel", module.fixed_kernel)
        patch.setattr("mezha.framing.netstring.netstring_run", module.netstring_run)
        patch.setattr("mezha.framing.delimited.delimited_kernel", module.delimited_kernel)
        yield module


@pytest.fixture(scope="module")
def decoder_of(twin: ModuleType) -> type[Decoder]:
    """The decoder, on this twin."""
    spec = find_spec("mezha.framing.decoder")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "Buffer", twin.Buffer)
        spec.loader.exec_module(module)
    made: type[Decoder] = module.Decoder
    assert issubclass(made, twin.Buffer)
    return made

"""The conformance suite: every law on every flavour and transport. A new flavour passes it by being in ``FLAVOURS``."""

import gc
import importlib
from collections.abc import Generator
from pathlib import Path

import pytest
from flavours import FLAVOURS, Flavour

#: Each enters its laws in LAWS.
MODULES = [f"conformance_{part}" for part in ("receiving", "sending", "faults", "closing", "bounds")]
pytest.register_assert_rewrite("conformance_net", *MODULES)
for module in MODULES:
    importlib.import_module(module)

from conformance_net import LAWS, Law, open_net  # noqa: E402 - rewritten, as the modules are


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Generator[None]:
    """Let the garbage collector, which runs after every law, look at nothing older (see ``open_net``)."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(
    ("law", "flavour", "transport"),
    [
        pytest.param(law, flavour, transport, id=f"{law.name}-{flavour.name}-{transport}")
        for law in LAWS
        for flavour in FLAVOURS
        for transport in law.transports
    ],
)
def test_law(law: Law, flavour: Flavour, transport: str, tmp_path: Path) -> None:
    with open_net(flavour, transport, tmp_path) as net:
        law.hold(net)

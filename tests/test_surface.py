"""The public surface: every public name is listed, and every one of them says what it is."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

MODULES = [
    "mezha",
    "mezha.asyncio",
    "mezha.blocking",
    "mezha.engine",
    "mezha.errors",
    "mezha.framing",
    "mezha.limits",
    "mezha.observe",
    "mezha.trio",
    "mezha.testing",
    "mezha.testing.chaos",
    "mezha.testing.cuts",
    "mezha.testing.driver",
    "mezha.testing.framings",
    "mezha.testing.laws",
    "mezha.testing.line",
    "mezha.testing.parsers",
    "mezha.testing.scenes",
    "mezha.testing.script",
    "mezha.testing.shrinking",
    "mezha.testing.strategies",
    "mezha.testing.vectors",
    "mezha.testing.wire",
]

every_module = pytest.mark.parametrize("module", [importlib.import_module(name) for name in MODULES], ids=MODULES)


def public_members(kind: type) -> Iterator[tuple[str, object]]:
    """List the public methods and properties that a class has from us, its own or inherited."""
    for owner in kind.__mro__:
        if owner.__module__.startswith("mezha"):
            for name, member in vars(owner).items():
                if not name.startswith("_") and (callable(member) or isinstance(member, (property, classmethod))):
                    yield f"{owner.__name__}.{name}", member


def comment_of(name: str) -> str | None:
    """Return the ``#:`` comment in front of an assignment, the docstring of what cannot have one."""
    paths = [Path(str(module.__file__)) for key, module in sys.modules.items() if key.split(".")[0] == "mezha"]
    for path in paths:
        source = path.read_text(encoding="utf-8") if path.suffix == ".py" else ""
        if found := re.search(rf"^#: (.*)\n(?:#: .*\n)*{name}\b.* = ", source, re.MULTILINE):
            return found[1]
    return None


@every_module
def test_it_says_what_it_holds(module: ModuleType) -> None:
    assert module.__doc__


@every_module
def test_names_are_listed_in_order_and_exist(module: ModuleType) -> None:
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@every_module
def test_every_public_name_is_listed(module: ModuleType) -> None:
    is_package = hasattr(module, "__path__")
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and (is_package or getattr(value, "__module__", module.__name__) == module.__name__)
    }
    assert public == {name for name in module.__all__ if not name.startswith("_")}


@every_module
def test_every_public_name_has_a_docstring(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__doc__, name
            assert not value.__doc__.startswith(f"{name}("), f"{name} has the docstring that a dataclass makes up"
        elif name != "__version__":
            assert comment_of(name), name


@every_module
def test_every_public_method_and_property_has_a_docstring(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            for member_name, member in public_members(value):
                assert getattr(member, "__doc__", None), member_name


@every_module
def test_no_name_comes_from_elsewhere_unsaid(module: ModuleType) -> None:
    star: dict[str, object] = {}
    exec(f"from {module.__name__} import *", star)
    assert star.keys() - {"__builtins__"} == set(module.__all__)


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", importlib.import_module("mezha").__version__)

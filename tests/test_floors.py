"""The floors of the house: imports go down only, and the lower floors know neither I/O nor time."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mezha

ROOT = Path(mezha.__file__).parent

#: Which floor each module or package stands on, by the first word of its name inside mezha.
FLOORS = {
    "errors": 0,
    "limits": 0,
    "version": 0,
    "framing": 1,
    "engine": 2,
    "observe": 2,
    "session": 3,
    "settings": 3,
    "opening": 4,
    "serving": 4,
    "sockets": 4,
    "blocking": 4,
    "asyncio": 4,
    "trio": 4,
    "testing": 5,
    "gateway": 6,
    "identify": 6,
    "inspector": 6,
    "cli": 7,
    "__main__": 7,
}
#: ``import mezha`` itself, which gathers what the floors up to the session's share.
FLOORS["__init__"] = 3

NOT_BELOW_FLOOR_4 = {"asyncio", "select", "selectors", "socket", "ssl", "threading", "time", "trio"}
FLAVOURS = ("asyncio", "blocking", "trio")


def modules() -> list[str]:
    """List the modules of mezha as paths inside it."""
    return sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))


def imports(module: str) -> Iterator[str]:
    """List what a module imports, also inside its functions, but not what is for type checkers only."""
    tree = ast.parse((ROOT / module).with_suffix(".py").read_text(encoding="utf-8"))
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            for alias in node.names:
                path = ROOT.parent.joinpath(*str(node.module).split("."), alias.name)
                is_module = path.is_dir() or path.with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if is_module else str(node.module)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        else:
            nodes += ast.iter_child_nodes(node)


def own_imports(module: str) -> set[str]:
    """List the modules of mezha that a module imports, as paths."""
    found: set[str] = set()
    for name in imports(module):
        first, *rest = name.split(".")
        if first == "mezha":
            path = ROOT.joinpath(*rest)
            found.add(Path(*rest, "__init__").as_posix() if path.is_dir() else Path(*rest).as_posix())
    return found


def top(module: str) -> str:
    return module.split("/", maxsplit=1)[0]


every_module = pytest.mark.parametrize("module", modules())


@every_module
def test_every_module_stands_on_a_floor(module: str) -> None:
    assert top(module) in FLOORS, f"give {top(module)} a floor"


@every_module
def test_imports_go_down_only(module: str) -> None:
    for imported in own_imports(module):
        assert FLOORS[top(imported)] <= FLOORS[top(module)], f"{module} imports {imported}"


@every_module
def test_the_lower_floors_know_neither_io_nor_time(module: str) -> None:
    if FLOORS[top(module)] < FLOORS["sockets"]:
        assert not {name.split(".")[0] for name in imports(module)} & NOT_BELOW_FLOOR_4


@every_module
def test_flavours_never_import_each_other(module: str) -> None:
    if top(module) in FLAVOURS:
        assert not {top(imported) for imported in own_imports(module)} & (set(FLAVOURS) - {top(module)})


def test_no_module_imports_itself_by_way_of_others() -> None:
    below = {module: own_imports(module) for module in modules()}
    while leaves := [module for module, imported in below.items() if not imported & below.keys()]:
        for module in leaves:
            del below[module]
    assert not below, "these import each other"


def test_importing_mezha_loads_no_io() -> None:
    code = "import sys, mezha; print(*{'asyncio', 'selectors', 'socket', 'ssl', 'mezha.sockets'} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True, timeout=30)
    assert loaded.stdout.split() == []
    assert loaded.stderr == ""

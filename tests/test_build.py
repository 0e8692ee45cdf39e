"""The build: a wheel with the compiled part, one without, and what comes of a compiler that does not work."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
IN_THE_TREE = ("*.so", "*.pyd", "__pycache__", "*.egg-info")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is built, without anything that an earlier build has left."""
    copy = tmp_path / "tree"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns(*IN_THE_TREE))
    for name in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    return copy


def clean(**settings: str) -> dict[str, str]:
    """Return the environment, with these settings and none of ours."""
    return {key: value for key, value in os.environ.items() if not key.startswith("MEZHA_")} | settings


def build(kind: str, tree: Path, **settings: str) -> Path:
    """Build a ``wheel`` or an ``sdist``, with the tools that are installed, and return it."""
    code = f"import setuptools.build_meta as backend; print(backend.build_{kind}('.'))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tree, env=clean(**settings), capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    return tree / ran.stdout.splitlines()[-1]


def import_from(wheel: Path) -> str:
    """Install a wheel in a new environment, and say whether what it brought there is accelerated."""
    folder = wheel.parent / "env"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([str(word) for word in pip], check=True, capture_output=True)
    code = "import mezha, sys; assert mezha.__file__.startswith(sys.prefix); print(mezha.accelerated)"
    ran = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True, timeout=30)
    return ran.stdout.strip()


def compiled_in(wheel: Path) -> list[str]:
    return [name for name in ZipFile(wheel).namelist() if name.endswith((".so", ".pyd"))]


def can_compile() -> bool:
    command = str(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    return os.name == "nt" or shutil.which(command.split()[0]) is not None


compiler = pytest.mark.skipif(not can_compile(), reason="there is no compiler")


@compiler
def test_a_binary_wheel_from_the_source_distribution(tree: Path, tmp_path: Path) -> None:
    sdist = build("sdist", tree, MEZHA_BUILD="pure")  # whatever is set then, all sources are in it
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    wheel = build("wheel", tmp_path / sdist.name.removesuffix(".tar.gz"), MEZHA_BUILD="native")
    assert not wheel.name.endswith("-none-any.whl")
    assert len(compiled_in(wheel)) == (2 if os.name == "posix" else 1)
    names = ZipFile(wheel).namelist()
    assert {"mezha/py.typed", "mezha/framing/_native.pyi", "mezha/blocking/_native.pyi"} <= set(names)
    assert "mezha/testing/vectors/lines.json" in names
    assert not [name for name in names if name.endswith(".c")]
    assert import_from(wheel) == "True"


def test_a_pure_wheel(tree: Path) -> None:
    wheel = build("wheel", tree, MEZHA_BUILD="pure", CC="false")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not compiled_in(wheel)
    assert import_from(wheel) == "False"


@pytest.mark.skipif(os.name == "nt", reason="CC does not choose the compiler there")
def test_without_a_compiler_that_works_it_runs_in_plain_python(tree: Path) -> None:
    wheel = build("wheel", tree, CC="false")
    assert not compiled_in(wheel)
    assert import_from(wheel) == "False"


@pytest.mark.skipif(os.name == "nt", reason="CC does not choose the compiler there")
def test_no_release_is_built_by_a_compiler_that_fails(tree: Path) -> None:
    with pytest.raises(AssertionError, match=r"error: .*false"):
        build("wheel", tree, MEZHA_BUILD="native", CC="false")
    assert not list(tree.glob("*.whl"))


def test_a_misspelt_wish_is_an_error(tree: Path) -> None:
    with pytest.raises(AssertionError, match="MEZHA_BUILD is 'native' or 'pure', or not set at all; it is 'nativ'"):
        build("wheel", tree, MEZHA_BUILD="nativ")

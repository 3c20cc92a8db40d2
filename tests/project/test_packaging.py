"""An installation is one name: everything of ours is inside it, nothing lies beside it.

The folders reach the package through symlinks, which build tools treat in different ways; so the archives are
built and looked into.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

FOLDERS = {"lang", "compiler", "runtime", "cli"}

if int(version("setuptools").partition(".")[0]) < 77:
    pytest.skip("builds without isolation, which needs setuptools 77 or newer", allow_module_level=True)


def build(hook: str, source: Path, out: Path) -> Path:
    """The archive that `setuptools.build_meta.<hook>` makes from the tree at `source`."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.{hook}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, out], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def checkout(root: Path, repo_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the repository, so that builds leave nothing behind in the tree under test."""
    copy = tmp_path_factory.mktemp("checkout")
    for path in repo_files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, copy / path, follow_symlinks=False)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("build_wheel", checkout, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_file_of_ours_and_nothing_else(wheel: Path, repo_files: list[Path]) -> None:
    ours = {path for path in repo_files if path.parts[0] in FOLDERS}
    expected = {f"fusec/{path.as_posix()}" for path in ours} | {"fusec/__init__.py", "fusec/py.typed"}
    assert names_in(wheel) == expected


def test_the_source_archive_builds_the_same_wheel(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    archive = build("build_sdist", checkout, tmp_path)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    again = build("build_wheel", tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path)
    assert names_in(again) == names_in(wheel)


def test_installing_adds_one_name_and_one_command(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", tmp_path, wheel], check=True, capture_output=True)
    names = {path.name for path in tmp_path.iterdir() if path.suffix != ".dist-info"}
    assert names == {"fusec", "bin"}
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["fusec"]

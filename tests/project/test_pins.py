"""The files that describe the project agree with each other."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fusec


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def test_the_version_is_told_once(project: dict) -> None:
    assert project["version"] == fusec.__version__


def test_every_dependency_is_pinned_to_a_version_it_allows(root: Path, project: dict) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    for requirement in map(Requirement, wanted):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pin), f"{requirement} does not allow {pin}"


def test_every_make_command_that_a_page_names_exists(root: Path, repo_files: list[Path]) -> None:
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    pages = [path for path in repo_files if path.suffix == ".md"]
    named = {
        (str(path), name)
        for path in pages
        for name in re.findall(r"(?:^|`)make ([a-z]+)", (root / path).read_text(), re.MULTILINE)
    }
    assert {(page, name) for page, name in named if name not in targets} == set()

"""Configurations translated in a folder that holds two models of four layers, or run on a family of two."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mergekit_family import write_family
from safetensors.torch import load_file

from fusec.cli.main import dispatch
from fusec.cli.mergekit.references import Folders
from fusec.cli.mergekit.translate import Translation, translate
from fusec.lang.source import Source

Translate = Callable[[str], Translation]
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Translate:
    folder = tmp_path_factory.mktemp("configurations")
    for name in ("four", "also"):
        (folder / "deep" / name).mkdir(parents=True)
        (folder / "deep" / name / "config.json").write_text('{"num_hidden_layers": 4}')
    folders = Folders(folder, folder, folder)
    return lambda text: translate(Source("merge.yml", text), folders, "merge")


@pytest.fixture(scope="session")
def pages() -> Path:
    return Path(__file__).parent


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("family")
    write_family(root)
    return root


@pytest.fixture
def run(tmp_path: Path, family: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Tensors]:
    """Imports a configuration that lies in another folder than the spec, and gives the merged weights."""
    project = tmp_path / "project"
    shutil.copytree(family, project)
    monkeypatch.chdir(project)

    def import_and_run(text: str) -> Tensors:
        Path("merge.yml").write_text(text)
        Path("specs").mkdir()
        assert dispatch(["import", "mergekit", "merge.yml", "-o", "specs/merge.fuse"]) == 0
        for command in ("check", "lock", "plan", "run"):
            assert dispatch([command, "specs/merge.fuse"]) == 0
        return load_file("specs/models/merge/model.safetensors")

    return import_and_run

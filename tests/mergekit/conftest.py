"""Configurations translated in a folder that holds two models of four layers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fusec.cli.mergekit.references import Folders
from fusec.cli.mergekit.translate import Translation, translate
from fusec.lang.source import Source

Translate = Callable[[str], Translation]


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

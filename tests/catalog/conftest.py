"""Small families on disk, and a catalog to measure them into."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fusec.runtime import catalog as catalog_module
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.catalog import Catalog

Tensors = Mapping[str, torch.Tensor]


@pytest.fixture(autouse=True)
def stamps_are_trusted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are made right before they are measured; nobody wants to wait two seconds for each."""
    monkeypatch.setattr(catalog_module, "_RACY_SECONDS", 0)


@pytest.fixture
def columns(tmp_path: Path) -> Iterator[ColumnsStore]:
    opened = Catalog(tmp_path / "catalog.db")
    yield ColumnsStore(opened)
    opened.close()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes tensors as a model folder: one file, or the shards given as lists of tensor names."""

    def write(name: str, tensors: Tensors, shards: Sequence[Sequence[str]] = (), **config: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        copies = {name: tensor.clone() for name, tensor in tensors.items()}
        if not shards:
            save_file(copies, folder / "model.safetensors")
            return folder
        files = {f"model-{i}.safetensors": names for i, names in enumerate(shards)}
        for file, names in files.items():
            save_file({name: copies[name] for name in names}, folder / file)
        index = {"weight_map": {name: file for file, names in files.items() for name in names}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return folder

    return write


@pytest.fixture
def family() -> Callable[..., list[dict[str, torch.Tensor]]]:
    """A base and experts of tensors with 5 and a bit blocks of 4096, a vector, a scalar and an empty one."""

    def make(experts: int = 2, dtype: torch.dtype = torch.bfloat16) -> list[dict[str, torch.Tensor]]:
        rng = np.random.default_rng(0)
        shapes = {
            "lm_head.weight": (3, 7000),
            "a.weight": (64, 64),
            "norm": (33,),
            "scale": (),
            "none": (0, 4),
        }

        def drawn(size: float) -> dict[str, np.ndarray]:
            return {name: np.asarray(rng.standard_normal(shape) * size) for name, shape in shapes.items()}

        base = drawn(0.1)
        models = [base]
        for _ in range(experts):
            change = drawn(0.01)
            models.append({name: base[name] + change[name] for name in base})
        return [{n: torch.from_numpy(np.asarray(v)).to(dtype) for n, v in model.items()} for model in models]

    return make

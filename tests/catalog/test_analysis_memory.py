"""Peak memory of an analysis grows neither with the size of models nor with the number of tensors."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

CHILD = """
import resource, sys
from pathlib import Path
from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.catalog import Catalog
base, expert, count, gram = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
store = ColumnsStore(Catalog(base.parent / f"{count}{gram}.db"))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
analyse(store, [expert] * count, base, gram=gram, threads=2)
print(peak() - before)
"""
MODEL_MB = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base and an expert with one large tensor."""
    folder = tmp_path_factory.mktemp("models")
    for number, name in enumerate(("base", "expert")):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
        bits = torch.arange(MODEL_MB << 19, dtype=torch.int32).remainder(15999 + number).to(torch.int16)
        save_file({"w": bits.view(torch.bfloat16)}, folder / name / "model.safetensors")
    return folder / "base", folder / "expert"


def growth(models: tuple[Path, Path], experts: int, gram: bool) -> float:
    arguments = [*map(str, models), str(experts), str(gram)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.parametrize("gram", [False, True])
def test_memory_stays_far_below_one_model(models: tuple[Path, Path], gram: bool) -> None:
    few, many = growth(models, 1, gram), growth(models, 6, gram)
    assert few < MODEL_MB
    assert many - few < MODEL_MB / 2


def test_what_is_counted_of_a_tensor_goes_when_it_is_done(tmp_path: Path) -> None:
    def models(tensors: int) -> tuple[Path, Path]:
        folder = tmp_path / str(tensors)
        for number, name in enumerate(("base", "expert")):
            (folder / name).mkdir(parents=True)
            (folder / name / "config.json").write_text("{}")
            values = {f"w{i}": torch.arange(512.0) + i + number for i in range(tensors)}
            save_file(values, folder / name / "model.safetensors")
        return folder / "base", folder / "expert"

    assert growth(models(512), 4, True) - growth(models(16), 4, True) < 32

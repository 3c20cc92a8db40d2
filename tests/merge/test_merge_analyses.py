"""Merges that measure what they read: the columns of an analysis of its own, and no byte read twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from fusec.runtime import catalog as catalog_module
from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.inner import LEAF
from fusec.runtime.analysis.while_reading import WhileReading
from fusec.runtime.catalog import Catalog
from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels.merge import tiles, units
from fusec.runtime.kernels.merge.scan import Tap
from fusec.runtime.kernels.merge.together import Member, run_together

ARITHMETIC = Method("task_arithmetic", {"scale": 0.7, "normalize": False})
AVERAGE = Method("average")
TIES = Method("ties", {"density": 0.3, "scale": 0.9, "normalize": True})
DELLA = Method(
    "della",
    {"density": 0.5, "epsilon": 0.1, "scale": 1.0, "normalize": True, "rescale": "none", "seed": 0},
)
SCE = Method("sce", {"select_topk": 0.5})


@pytest.fixture(autouse=True)
def stamps_are_trusted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "_RACY_SECONDS", 0)


@pytest.fixture
def columns(tmp_path: Path) -> Iterator[ColumnsStore]:
    opened = Catalog(tmp_path / "along.db")
    yield ColumnsStore(opened)
    opened.close()


@pytest.fixture
def family(write_model: Callable[..., Artifact]) -> list[Artifact]:
    """A base and two experts, one of them in float32; one tensor has more than a leaf."""
    rng = torch.Generator().manual_seed(1)
    shapes = {"long": (3, LEAF // 2 + 700), "norm": (33,), "none": (0, 4)}
    models = [{n: torch.randn(s, generator=rng).bfloat16() for n, s in shapes.items()} for _ in range(3)]
    models[2] = {name: tensor.float() for name, tensor in models[2].items()}
    for model in models:
        model["steps"] = torch.arange(5)
    return [write_model(f"m{k}", model) for k, model in enumerate(models)]


def rows(store: ColumnsStore) -> list[tuple[object, ...]]:
    return store.catalog.query("SELECT * FROM column_tables ORDER BY part_of, tensor")


@pytest.mark.parametrize("method", [ARITHMETIC, AVERAGE, TIES, DELLA, SCE], ids=lambda m: m.name)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_columns_are_those_of_an_analysis(
    family, columns, run_merge, tmp_path, method, threads, monkeypatch
):
    base, *experts = family
    want = run_merge(base, experts, method)
    monkeypatch.setattr(units, "SPAN", LEAF)
    monkeypatch.setattr(tiles, "WORKING_SET", 1 << 18)
    out = tmp_path / "out"
    out.mkdir()
    ctx = Context(out, lambda kind, **fields: None, Meter(), threads=threads)
    slots = {"method": method, "rules": (), "keep": (), "dtype": None, "shard_size": None}
    tap = Tap(WhileReading(columns, base.path, [expert.path for expert in experts]), (0, 1))
    member = Member({"base": base, "experts": tuple((e, None) for e in experts)}, slots, ctx)
    assert run_together([member], tap) == (None,)
    left = tap.reading.finish().bytes

    assert {path.name: path.read_bytes() for path in sorted(out.iterdir())} == want.files
    assert ctx.meter.expert_bytes == want.meter.expert_bytes
    # A mean does not read the base, and integers are compared, not measured.
    floats = 2 * (3 * (LEAF // 2 + 700) + 33)
    assert ctx.meter.analysis_bytes == (floats if method is AVERAGE else 0)
    assert left == 3 * 5 * 8
    direct = ColumnsStore(Catalog(tmp_path / "direct.db"))
    analyse(direct, [expert.path for expert in experts], base.path)
    assert rows(columns) == rows(direct)
    direct.catalog.close()

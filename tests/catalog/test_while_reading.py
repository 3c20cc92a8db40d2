"""Columns that a full read leaves behind are those of an analysis of its own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.analysis.inner import CHUNK, LEAF
from fusec.runtime.analysis.while_reading import WhileReading
from fusec.runtime.catalog import Catalog


@pytest.mark.parametrize("gram", [False, True])
def test_pieces_of_any_size_from_several_threads_give_the_same_rows(columns, save, tmp_path, gram):
    rng = torch.Generator().manual_seed(0)
    weights = [
        {"w": torch.randn(2 * LEAF + 5000, generator=rng).bfloat16(), "norm": torch.randn(33, generator=rng)}
        for _ in range(3)
    ]
    weights[2]["w"] = weights[2]["w"].float()
    base, *experts = (save(f"m{k}", model) for k, model in enumerate(weights))
    analyse(columns, experts, base, gram=gram, block=CHUNK)

    other = ColumnsStore(Catalog(tmp_path / "other.db"))
    tap = WhileReading(other, base, experts, gram=gram, block=CHUNK)
    assert tap.recorder("unknown", 0, 1) is None

    def read(start: int, stop: int) -> None:
        recorder, at, sizes = tap.recorder("w", start, stop), start, np.random.default_rng(start)
        while at < stop:
            count = min(int(sizes.integers(1, 50_000)), stop - at)
            recorder.add(at, [model["w"][at : at + count].view(torch.uint8).numpy() for model in weights])
            at += count

    size = len(weights[0]["w"])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(read, (LEAF, 0, 2 * LEAF), (2 * LEAF, LEAF, size)))
    assert tap.finish().bytes == sum(model["norm"].nbytes for model in weights)

    query = "SELECT * FROM column_tables ORDER BY part_of, tensor"
    assert other.catalog.query(query) == columns.catalog.query(query)
    other.catalog.close()


def test_a_tensor_that_was_read_in_part_is_read_again(columns, save, tmp_path):
    weights = [{"w": torch.full((2 * LEAF,), float(k))} for k in range(2)]
    base, expert = (save(f"m{k}", model) for k, model in enumerate(weights))
    analyse(columns, [expert], base)
    other = ColumnsStore(Catalog(tmp_path / "other.db"))
    tap = WhileReading(other, base, [expert])
    recorder = tap.recorder("w", 0, LEAF)
    recorder.add(0, [model["w"][:LEAF].view(torch.uint8).numpy() for model in weights])
    assert tap.finish().bytes == sum(model["w"].nbytes for model in weights)
    query = "SELECT * FROM column_tables ORDER BY part_of, tensor"
    assert other.catalog.query(query) == columns.catalog.query(query)
    other.catalog.close()

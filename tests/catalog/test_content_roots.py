"""A model is its tensors: their names, dtypes, shapes and bytes, and nothing else."""

import os
from pathlib import Path

import pytest
import torch

from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnSet, ColumnsStore
from fusec.runtime.analysis.inner import CHUNK
from fusec.runtime.kernel import RunError


def root(columns: ColumnsStore, folder: Path, **how: int) -> str:
    return analyse(columns, [folder], **how).models[0].root


def rows(columns: ColumnsStore) -> list[tuple]:
    return columns.catalog.query("SELECT * FROM column_tables ORDER BY part_of, tensor")


def test_shards_places_and_block_sizes_leave_the_root_as_it_is(columns, save, family):
    (weights,) = family(0)
    whole = save("whole", weights)
    split = save("split", weights, [["norm", "a.weight"], ["lm_head.weight"], ["none", "scale"]])
    moved = whole.rename(whole.with_name("moved"))
    roots = [root(columns, folder) for folder in (moved, split)]
    roots += [root(columns, moved, block=block) for block in (CHUNK, 4 * CHUNK, 1 << 20)]
    assert len(set(roots)) == 1


@pytest.mark.parametrize("gram", [False, True])
def test_threads_and_the_order_of_experts_leave_all_columns_as_they_are(columns, save, family, gram):
    base, *experts = (save(f"m{k}", model) for k, model in enumerate(family(3)))
    analyse(columns, experts, base, gram=gram, block=CHUNK)
    before = rows(columns)
    analyse(columns, experts[::-1], base, gram=gram, block=CHUNK, threads=4)
    assert rows(columns) == before


@pytest.mark.parametrize("change", ["byte", "name", "dtype", "shape"])
def test_what_is_stored_makes_the_root(columns, save, family, change):
    (weights,) = family(0)
    before = root(columns, save("m", weights))
    match change:
        case "byte":
            weights["norm"][3] += 1
        case "name":
            weights["other"] = weights.pop("norm")
        case "dtype":
            weights["norm"] = weights["norm"].view(torch.float16)
        case "shape":
            weights["a.weight"] = weights["a.weight"].reshape(32, 128)
    assert root(columns, save("n", weights)) != before


def test_a_changed_byte_shows_although_size_and_time_were_put_back(columns, save, family):
    (weights,) = family(0)
    folder = save("m", weights)
    file = folder / "model.safetensors"
    before, times = root(columns, folder), file.stat()
    assert columns.root_of(folder) == before
    with file.open("r+b") as opened:
        opened.seek(-5000, os.SEEK_END)
        byte = opened.read(1)
        opened.seek(-5000, os.SEEK_END)
        opened.write(bytes([byte[0] ^ 1]))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert columns.root_of(folder) is None
    assert root(columns, folder) != before


def test_a_copy_is_known_by_the_hashes_of_its_files(columns, save, family):
    (weights,) = family(0)
    first, copy = save("m", weights), save("n", weights)
    for folder in (first, copy):
        columns.catalog.file_digest(folder / "model.safetensors")
    found = root(columns, first)
    assert columns.root_of(first) == found
    assert columns.root_of(copy) == found


def test_a_model_that_is_cut_short_leaves_nothing_behind(columns, save, family):
    good, bad = (save(f"m{k}", model) for k, model in enumerate(family(1)))
    file = bad / "model.safetensors"
    os.truncate(file, file.stat().st_size - 4)
    with pytest.raises(RunError, match=r"model\.safetensors"):
        analyse(columns, [bad], good)
    assert not rows(columns)


def test_columns_of_changed_and_removed_models_are_cleared(columns, save, family):
    base, kept, changed = (save(f"m{k}", model) for k, model in enumerate(family(2)))
    made = analyse(columns, [kept, changed], base, gram=True)
    assert columns.clear().sets == 0
    (changed / "model.safetensors").unlink()
    cleared = columns.clear()
    assert cleared.sets == 3  # the model, its changes, and the products with the other one
    assert cleared.bytes > 0
    known = {root: ColumnSet("model", root, (), 1 << 19) for root in (model.root for model in made.models)}
    assert [columns.has(of) for of in known.values()] == [True, True, False]

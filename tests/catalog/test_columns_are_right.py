"""Columns against what slow and obvious code says, and the rules by which their bits are fixed."""

from hashlib import sha256

import numpy as np
import pytest
import torch

from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.columns_store import ColumnSet
from fusec.runtime.analysis.inner import CHUNK, LEAF, Gram, gram_of_rows, total
from fusec.runtime.analysis.tables import ChangeTable, GramTable, ModelTable

BLOCK = CHUNK


def blocks(values: np.ndarray) -> list[np.ndarray]:
    return [values[at : at + BLOCK] for at in range(0, values.size, BLOCK)]


def flat(tensor: torch.Tensor) -> np.ndarray:
    return tensor.to(torch.float32).numpy().reshape(-1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_models_columns_equal_a_slow_reference(columns, save, family, dtype):
    (weights,) = family(0, dtype)
    weights["a.weight"][0, :5] = 0
    (found,) = analyse(columns, [save("m", weights)], block=BLOCK).models
    for name, tensor in weights.items():
        table = columns.table(ColumnSet("model", found.root, (), BLOCK), name, ModelTable)
        raw = tensor.reshape(-1).view(torch.uint8).numpy()
        size = BLOCK * tensor.element_size()
        hashes = [sha256(raw[at : at + size]).digest()[:16] for at in range(0, raw.size, size)]
        parts = blocks(flat(tensor))
        assert [row.tobytes() for row in table.hashes] == hashes
        np.testing.assert_allclose(table.norm2, [np.sum(p.astype(float) ** 2) for p in parts], rtol=1e-13)
        assert table.largest.tolist() == [np.abs(p).max() for p in parts]
        assert table.zeros.tolist() == [int((p == 0).sum()) for p in parts]


@pytest.mark.parametrize("dtypes", [(torch.bfloat16, torch.bfloat16), (torch.bfloat16, torch.float32)])
def test_changes_and_inner_products_equal_a_slow_reference(columns, save, family, dtypes):
    base, *experts = family(3)
    experts = [{name: tensor.to(dtypes[1]) for name, tensor in expert.items()} for expert in experts]
    folders = [save(f"e{k}", expert) for k, expert in enumerate(experts)]
    made = analyse(columns, folders, save("base", base.copy()), gram=True, block=BLOCK)
    root, *roots = (model.root for model in made.models)
    order = sorted(range(3), key=lambda k: roots[k])
    gram_set = ColumnSet("gram", root, tuple(roots[k] for k in order), BLOCK)
    for name in base:
        ours = flat(base[name])
        changes = [flat(expert[name]) - ours for expert in experts]
        for k, change in enumerate(changes):
            table = columns.table(ColumnSet("change", root, (roots[k],), BLOCK), name, ChangeTable)
            pairs = list(zip(blocks(ours), blocks(change), strict=True))
            wide = [(w.astype(float), d.astype(float)) for w, d in pairs]
            np.testing.assert_allclose(table.norm2, [np.sum(d * d) for _, d in wide], rtol=1e-13)
            np.testing.assert_allclose(
                table.with_base, [np.sum(w * d) for w, d in wide], rtol=1e-9, atol=1e-12
            )
            np.testing.assert_allclose(table.l1, [np.sum(np.abs(d)) for _, d in wide], rtol=1e-5)
            assert table.largest.tolist() == [np.abs(d).max() for _, d in pairs]
            counted = np.bincount(np.abs(change).view(np.uint32) >> 16, minlength=1 << 15)
            assert table.histogram.tolist() == counted.tolist()
        table = columns.table(gram_set, name, GramTable)
        rows = np.stack([changes[k] for k in order]).astype(float)
        for b, square in enumerate(table.square(np.arange(3))):
            part = rows[:, b * BLOCK : (b + 1) * BLOCK]
            np.testing.assert_allclose(square, part @ part.T, rtol=1e-12, atol=1e-12)
        whole = gram_of_rows([ours, *(changes[k] for k in order)])
        assert table.total.tolist() == whole.tolist()


def test_norms_have_the_same_bits_with_and_without_inner_products(columns, save, family):
    base, *experts = (save(f"m{k}", model) for k, model in enumerate(family(3)))
    tables = []
    for gram in (False, True):
        root, *roots = (m.root for m in analyse(columns, experts, base, gram=gram, block=BLOCK).models)
        of = ColumnSet("change", root, (roots[1],), BLOCK)
        tables.append(columns.catalog.query("SELECT data FROM column_tables WHERE part_of = ?", (of.id,)))
    assert tables[0] == tables[1]


def test_numbers_that_are_not_finite_are_counted_and_count_as_zero(columns, save, family):
    base, expert = family(1)
    expert["a.weight"][0, :3] = torch.tensor([float("nan"), float("inf"), float("-inf")])
    made = analyse(columns, [save("e", expert)], save("base", base), gram=True, block=BLOCK)
    assert [model.nonfinite for model in made.models] == [{}, {"a.weight": 3}]
    root, theirs = (model.root for model in made.models)
    change = columns.table(ColumnSet("change", root, (theirs,), BLOCK), "a.weight", ChangeTable)
    clean = flat(expert["a.weight"])
    delta = np.where(np.isfinite(clean), clean - flat(base["a.weight"]), 0)
    assert change.nonfinite.tolist() == [3]
    np.testing.assert_allclose(change.norm2, [np.sum(delta.astype(float) ** 2)], rtol=1e-13)


def test_a_change_too_large_for_float32_is_counted(columns, save):
    base, expert = {"w": torch.full((8,), -3e38)}, {"w": torch.full((8,), 3e38)}
    made = analyse(columns, [save("e", expert)], save("base", base))
    root, theirs = (model.root for model in made.models)
    change = columns.table(ColumnSet("change", root, (theirs,), LEAF), "w", ChangeTable)
    assert change.nonfinite.tolist() == [8]
    assert change.norm2.tolist() == [0]


def test_inner_products_do_not_depend_on_the_pieces_they_come_in():
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal(2 * LEAF + 777).astype(np.float32) for _ in range(3)]
    whole = gram_of_rows(rows)
    gram, at = Gram(3), 0
    while at < rows[0].size:
        size = int(rng.integers(1, 200_000))
        gram.add([row[at : at + size] for row in rows])
        at += size
    assert total(gram.leaves(), 3).tolist() == whole.tolist()
    halves = [Gram(3), Gram(3)]
    for half, part in zip(halves, (slice(0, LEAF), slice(LEAF, None)), strict=True):
        half.add([row[part] for row in rows])
    assert total([leaf for half in halves for leaf in half.leaves()], 3).tolist() == whole.tolist()
    wide = np.stack(rows).astype(float)
    np.testing.assert_allclose(whole, wide @ wide.T, rtol=1e-10)
    assert gram_of_rows(rows[1:])[0, 1] == whole[1, 2]

"""The verbs over rows: what they keep, and that nothing depends on batches."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.rowexpr import Col, Op
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.data import derive, filter, mix, sample, select, shuffle, split
from fusec.runtime.kernels.data.keys import apportion, exact_share, row_keys
from fusec.runtime.kernels.data.stream import BATCH_ROWS
from fusec.runtime.kernels.describe import run as describe

N, TEXT = Col("n"), Col("text")


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"n": n, "text": "x" * (n % 7), "tags": [str(n)] * (n % 3)} for n in range(count)]


def columns(**exprs: Any) -> dict[str, Any]:
    return {"columns": tuple(exprs.items())}


# --- select, derive, filter ---------------------------------------------------


def test_select_gives_the_named_columns_in_order(bench: Any) -> None:
    out = bench.run(select.run, numbered(3), columns(prompt=Op("concat", ("Q", N)), n=N))
    assert bench.rows(out) == [{"prompt": f"Q{n}", "n": n} for n in range(3)]


def test_derive_adds_and_replaces(bench: Any) -> None:
    out = bench.run(derive.run, numbered(2), columns(text=Op("upper", (TEXT,)), twice=Op("*", (N, 2))))
    assert bench.rows(out)[1] == {"n": 1, "text": "X", "tags": ["1"], "twice": 2}
    assert list(bench.rows(out)[1]) == ["n", "text", "tags", "twice"]


@given(st.lists(st.integers(0, 9)), st.integers(0, 9))
def test_keep_and_drop_share_the_rows(shared_bench: Any, numbers: list[int], limit: int) -> None:
    data = shared_bench.data(pa.table({"n": pa.array(numbers, pa.int64())}))
    condition = Op("<", (N, limit))
    kept = shared_bench.rows(shared_bench.run(filter.run, data, {"keep": condition}))
    dropped = shared_bench.rows(shared_bench.run(filter.run, data, {"keep": None, "drop": condition}))
    assert [row["n"] for row in kept] == [n for n in numbers if n < limit]
    assert [row["n"] for row in dropped] == [n for n in numbers if n >= limit]


def test_a_filter_without_a_value_names_the_row(bench: Any) -> None:
    with pytest.raises(RunError, match="row 2 has no value to decide on"):
        bench.run(filter.run, [{"ok": True}, {"ok": None}], {"keep": Col("ok")})


def test_columns_survive_when_no_row_does(bench: Any) -> None:
    out = bench.run(filter.run, numbered(3), {"keep": Op(">", (N, 99))})
    assert bench.table(out).schema.names == ["n", "text", "tags"]


# --- sample, shuffle, split, mix ------------------------------------------------


@given(st.integers(0, 200), st.integers(0, 2**63), st.data())
def test_a_sample_is_exact_and_in_order(shared_bench: Any, size: int, seed: int, draw: Any) -> None:
    count = draw.draw(st.integers(0, size))
    data = shared_bench.data(pa.table({"n": pa.array(range(size), pa.int64())}))
    taken = [row["n"] for row in shared_bench.rows(shared_bench.run(sample.run, data, {"rows": count}, seed))]
    assert len(taken) == count
    assert taken == sorted(set(taken))


def test_a_sample_of_too_many_rows_is_refused(bench: Any) -> None:
    with pytest.raises(RunError, match="to take 4 rows and there are 3"):
        bench.run(sample.run, numbered(3), {"rows": 4}, seed=1)


def test_seeds_and_verbs_choose_differently(bench: Any) -> None:
    data = bench.data(numbered(100))
    chosen = [bench.bytes(bench.run(sample.run, data, {"share": 0.5}, seed)) for seed in range(5)]
    assert len(set(chosen)) == 5
    assert not set(row_keys("sample", 1, 100)) & set(row_keys("split", 1, 100))


def test_each_row_is_sampled_about_equally_often(bench: Any) -> None:
    data = bench.data(numbered(20))
    seen = Counter(
        row["n"] for seed in range(200) for row in bench.rows(bench.run(sample.run, data, {"rows": 5}, seed))
    )
    # 200 draws at 1/4: mean 50, standard deviation 6.
    assert all(20 < seen[n] < 80 for n in range(20))


def test_row_keys_are_these_numbers_for_ever() -> None:
    assert [f"{key:016x}" for key in row_keys("sample", 17, 2).tolist()] == [
        "cc9e643e185f2116",
        "e9cd26a6e6155608",
    ]


def test_shuffle_keeps_every_row(bench: Any) -> None:
    out = [row["n"] for row in bench.rows(bench.run(shuffle.run, numbered(500), seed=3))]
    assert out != sorted(out)
    assert sorted(out) == list(range(500))


@given(st.integers(20, 300), st.integers(0, 99))
def test_split_loses_nothing_and_keeps_order(shared_bench: Any, size: int, seed: int) -> None:
    data = shared_bench.data(pa.table({"n": pa.array(range(size), pa.int64())}))
    out = shared_bench.run(split.run, data, {"shares": (("test", 0.1), ("dev", 0.25))}, seed)
    parts = {
        name: [row["n"] for row in shared_bench.rows(type(out)("data", out.path / name, name))]
        for name in ("test", "dev", "train")
    }
    assert sorted(n for part in parts.values() for n in part) == list(range(size))
    assert all(part == sorted(part) for part in parts.values())
    assert abs(len(parts["test"]) - size * 0.1) < 1
    assert abs(len(parts["dev"]) - size * 0.25) < 1


def test_shares_of_everything_leave_no_train(bench: Any) -> None:
    out = bench.run(split.run, numbered(10), {"shares": (("a", 0.3), ("b", 0.7))}, seed=1)
    assert sorted(part.name for part in out.path.iterdir()) == ["a", "b"]


def test_a_part_without_rows_is_refused(bench: Any) -> None:
    with pytest.raises(RunError, match="leaves `test` without a row of 10"):
        bench.run(split.run, numbered(10), {"shares": (("test", 0.02),)}, seed=1)


def test_mix_takes_exact_shares_of_common_columns(bench: Any) -> None:
    a = bench.data([{"n": n, "from": "a", "only": 1} for n in range(50)])
    b = bench.data([{"from": "b", "n": n} for n in range(50)])
    out = bench.rows(bench.run(mix.run, {"parts": ((a, 0.7), (b, 0.3))}, {"rows": 11}, seed=1))
    assert Counter(row["from"] for row in out) == {"a": 8, "b": 3}
    assert list(out[0]) == ["n", "from"]
    assert len({tuple(row.values()) for row in out}) == 11


def test_mix_without_rows_takes_all_it_can(bench: Any) -> None:
    a, b = bench.data(numbered(10)), bench.data(numbered(30))
    out = bench.rows(bench.run(mix.run, {"parts": ((a, 0.4), (b, 0.6))}, {"rows": None}, seed=1))
    assert len(out) == 25


def test_mix_without_shares_joins_all(bench: Any) -> None:
    a, b = bench.data(numbered(3)), bench.data(numbered(5))
    out = bench.rows(bench.run(mix.run, {"parts": ((a, None), (b, None))}, {"rows": None}, seed=1))
    assert sorted(row["n"] for row in out) == [0, 0, 1, 1, 2, 2, 3, 4]
    out = bench.rows(bench.run(mix.run, {"parts": ((a, None), (b, None))}, {"rows": 4}, seed=1))
    assert len(out) == 4


def test_mix_never_repeats_rows(bench: Any) -> None:
    a, b = bench.data(numbered(10)), bench.data(numbered(30))
    with pytest.raises(RunError, match="part 1 of `mix` has 10 rows and its share needs 12") as caught:
        bench.run(mix.run, {"parts": ((a, 0.4), (b, 0.6))}, {"rows": 30}, seed=1)
    assert caught.value.hint == "ask for at most 25 rows, or change the shares"


def test_mix_leaves_out_a_column_with_two_types(bench: Any) -> None:
    a, b = bench.data([{"n": 1, "s": "a"}]), bench.data([{"n": "1", "s": "b"}])
    out = bench.rows(bench.run(mix.run, {"parts": ((a, 0.5), (b, 0.5))}, {"rows": None}, seed=1))
    assert sorted(row["s"] for row in out) == ["a", "b"]
    assert list(out[0]) == ["s"]


def test_mix_names_an_empty_part(bench: Any) -> None:
    a, b = bench.data(numbered(3)), bench.run(filter.run, numbered(3), {"keep": Op(">", (N, 9))})
    with pytest.raises(RunError, match="part 2 of `mix` has 0 rows"):
        bench.run(mix.run, {"parts": ((a, 0.5), (b, 0.5))}, {"rows": None}, seed=1)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_apportioned_rows_add_up_and_are_off_by_less_than_one(rows: int, weights: list[int]) -> None:
    from fractions import Fraction

    shares = [Fraction(weight, sum(weights)) for weight in weights]
    counts = apportion(rows, shares)
    assert sum(counts) == rows
    assert all(abs(count - rows * share) < 1 for count, share in zip(counts, shares, strict=True))


def test_a_share_is_the_decimal_that_was_written() -> None:
    assert exact_share(0.1) * 10 == 1


# --- batches ---------------------------------------------------------------------

VERBS = [
    (select.run, columns(t=Op("lower", (TEXT,)), first=Op("has", (Op("index", (Col("tags"), 0)),)))),
    (derive.run, columns(m=Op("+", (N, 1)))),
    (filter.run, {"keep": Op("!=", (Op("len", (TEXT,)), 3))}),
    (sample.run, {"rows": 5000}),
    (shuffle.run, {}),
]


@pytest.mark.parametrize(("kernel", "slots"), VERBS)
def test_results_do_not_depend_on_the_batches_of_the_input(bench: Any, kernel: Any, slots: Any) -> None:
    table = pa.Table.from_pylist(numbered(10_000))
    results = {
        bench.bytes(bench.run(kernel, bench.raw(table, size), slots, seed=5)) for size in (61, 4096, 10_000)
    }
    assert len(results) == 1


def test_mix_does_not_depend_on_the_batches_of_its_parts(bench: Any) -> None:
    table = pa.Table.from_pylist(numbered(6000))
    results = {
        bench.bytes(
            bench.run(
                mix.run, {"parts": ((bench.raw(table, a), 0.5), (bench.raw(table, b), 0.5))}, {}, seed=5
            )
        )
        for a, b in ((100, 6000), (4096, 33))
    }
    assert len(results) == 1


@given(st.lists(st.integers(0, 5000), max_size=6))
def test_files_have_full_batches_and_equal_bytes_however_written(shared_bench: Any, cuts: list[int]) -> None:
    from fusec.runtime.kernels.data.stream import open_rows, write_rows

    table = pa.Table.from_pylist([*numbered(5000), {"n": None, "text": None, "tags": None}])
    edges = sorted({0, *cuts, len(table)})
    pieces = [table.slice(a, b - a).combine_chunks() for a, b in pairwise(edges)]
    folder = shared_bench.folder()
    write_rows(folder, table.schema, [batch for piece in pieces for batch in piece.to_batches()])
    whole = shared_bench.data(table)
    assert (folder / "data.arrow").read_bytes() == shared_bench.bytes(whole)
    assert [len(batch) for batch in open_rows(whole)] == [BATCH_ROWS, len(table) - BATCH_ROWS]


def test_a_broken_file_is_one_error(bench: Any) -> None:
    data = bench.data(numbered(9000))
    path = data.path / "data.arrow"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunError, match="break off"):
        bench.run(select.run, data, columns(n=N))
    path.write_bytes(b"no arrow")
    with pytest.raises(RunError, match="is not an Arrow stream"):
        bench.run(select.run, data, columns(n=N))


# --- describe ----------------------------------------------------------------------


def test_describe_measures_each_column(bench: Any) -> None:
    rows = [
        {"s": "aé", "i": 1, "f": 0.5, "ok": True, "l": [1, 2]},
        {"s": "", "i": 4, "f": None, "ok": False, "l": []},
        {"s": "aé", "i": 1, "f": 0.25, "ok": True, "l": [3]},
    ]
    report = json.loads((bench.run(describe, rows).path / "report.json").read_text())
    assert report["rows"] == 3
    assert report["columns"]["s"] == {
        "type": "Str", "nulls": 0, "distinct": 2, "length": {"min": 0, "mean": 4 / 3, "max": 2}
    }  # fmt: skip
    assert report["columns"]["i"]["value"] == {"min": 1, "mean": 2.0, "max": 4}
    assert report["columns"]["f"] == {
        "type": "Float", "nulls": 1, "distinct": 2, "value": {"min": 0.25, "mean": 0.375, "max": 0.5}
    }  # fmt: skip
    assert report["columns"]["ok"]["true"] == 2
    assert report["columns"]["l"] == {
        "type": "List[Int]", "nulls": 0, "distinct": None, "length": {"min": 0, "mean": 1.0, "max": 2}
    }  # fmt: skip


def test_distinct_is_exact_up_to_the_cap(bench: Any) -> None:
    out = bench.run(describe, numbered(10_001))
    columns = json.loads((out.path / "report.json").read_text())["columns"]
    assert (columns["n"]["distinct"], columns["text"]["distinct"]) == (None, 7)

"""Passes over rows change what is read and when, and never a byte, an identity or an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.compiler.identity import PASS, graph_ids
from fusec.compiler.ir import Graph, Node, Output, Ref
from fusec.compiler.passes import BY_NAME
from fusec.compiler.passes.outline import Known, Outline
from fusec.compiler.rowexpr import Col, Op
from fusec.compiler.rowpass import unfused
from fusec.lang.column_types import BOOL, FLOAT, INT, STR
from fusec.lang.types import DataType, Unknown
from fusec.runtime.kernel import Artifact, Context, Meter, RunError
from fusec.runtime.kernels.data import derive, filter, row_pass, select
from fusec.runtime.kernels.data.bounds import Bounds, outcomes
from fusec.runtime.kernels.data.rows import Rows, evaluate
from fusec.runtime.kernels.data.stream import write_rows
from fusec.runtime.sources.locate import SourceFile
from fusec.runtime.sources.parquet_rows import read_groups

ROW_PASSES = ("fuse_rows", "push_filters", "order_filters", "prune_columns")
KERNELS = {"filter": filter.run, "select": select.run, "derive": derive.run}
KINDS = {"n": INT, "m": INT, "x": FLOAT, "t": STR, "ok": BOOL}
SCHEMA = pa.schema(
    [("n", pa.int64()), ("m", pa.int64()), ("x", pa.float64()), ("t", pa.string()), ("ok", pa.bool_())]
)

# --- random pipelines ---------------------------------------------------------------------


@st.composite
def conditions(draw: Callable[..., Any], columns: dict[str, Any]) -> Any:
    """A condition over some column: steady ones, and those that can fail on a value."""
    name = draw(st.sampled_from(sorted(columns)))
    column, kind = Col(name), columns[name]
    number = st.integers(-3, 3)
    if kind == BOOL:
        made = column
    elif kind == STR:
        made = draw(
            st.sampled_from(
                (
                    Op(">", (Op("len", (column,)), 1)),
                    Op("contains", (column, "a")),
                    Op("in", (column, Op("list", ("a", "b")))),
                )
            )
        )
    else:
        comparison = st.sampled_from(("<", "<=", ">", ">=", "==", "!="))
        half = Op(">", (Op("/", (6, column)), 2))
        among = Op("in", (column, Op("range", (draw(number), draw(number)))))
        made = draw(st.sampled_from((Op(draw(comparison), (column, draw(number))), half, among)))
    if draw(st.booleans()):
        made = Op("not", (made,))
    if draw(st.integers(0, 3)) == 0:
        made = Op("and", (Op("has", (column,)), made))
    return made


@st.composite
def pipelines(draw: Callable[..., Any]) -> list[tuple[str, tuple[tuple[str, Any], ...]]]:
    """Verbs with their slots, each over the columns that the ones before it leave."""
    columns: dict[str, Any] = dict(KINDS)
    steps: list[tuple[str, tuple[tuple[str, Any], ...]]] = []
    for _ in range(draw(st.integers(1, 6))):
        verb = draw(st.sampled_from(("filter", "filter", "select", "derive")))
        if verb == "filter":
            asked = draw(conditions(columns))
            drops = draw(st.booleans())
            steps.append((verb, (("keep", None if drops else asked), ("drop", asked if drops else None))))
            continue
        made: dict[str, Any] = {}
        for name in draw(st.lists(st.sampled_from("nmxtabc"), min_size=1, max_size=4, unique=True)):
            source = draw(st.sampled_from(sorted(columns)))
            kind, expr = columns[source], Col(source)
            if kind == STR and draw(st.booleans()):
                kind, expr = INT, Op("len", (Col(source),))
            made[name] = (expr, kind)
        steps.append((verb, (("columns", tuple((name, expr) for name, (expr, _) in made.items())),)))
        kinds = {name: kind for name, (_, kind) in made.items()}
        columns = kinds if verb == "select" else {**columns, **kinds}
    return steps


def rows_of(missing: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    values = {
        "n": st.integers(-3, 3) | st.just(2**60 + 1),
        "m": st.integers(-3, 3),
        "x": st.sampled_from((-1.5, 0.0, 2.0, float("nan"))),
        "t": st.sampled_from(("", "a", "ab", "ccc")),
        "ok": st.booleans(),
    }
    if missing:
        values = {name: value | st.none() for name, value in values.items()}
    return st.lists(st.fixed_dictionaries(values), max_size=12)


# --- both ways ------------------------------------------------------------------------------


def chain(steps: list[tuple[str, Any]]) -> Graph:
    raw = Node(
        "raw",
        "source.data",
        1,
        "exact",
        (("uri", "rows.parquet"), ("pin", "5e1d")),
        DataType(tuple(KINDS.items()), -1, -1),
    )
    nodes = {"raw": raw}
    for number, (verb, slots) in enumerate(steps):
        data = Ref(list(nodes)[-1])
        nodes[f"s{number}"] = Node(f"s{number}", verb, 1, "exact", (("data", data), *slots), Unknown())
    return Graph(nodes, (Output(Ref(list(nodes)[-1]), "./out"),))


def optimized(graph: Graph, passes: tuple[str, ...] = ROW_PASSES, **known: Any) -> Graph:
    outline = Outline(graph)
    for name in passes:
        outline = BY_NAME[name].run(outline, Known(**known))
    return outline.graph


class Folder:
    """Makes results in folders of their own."""

    def __init__(self, root: Path) -> None:
        self.root, self.made = root, 0

    def new(self) -> Path:
        self.made += 1
        (self.root / str(self.made)).mkdir()
        return self.root / str(self.made)

    def stored(self, table: pa.Table) -> Artifact:
        folder = self.new()
        write_rows(folder, table.schema, table.to_batches())
        return Artifact("data", folder, "raw")

    def result(self, graph: Graph, raw: Artifact | Scan) -> bytes | str:
        """The bytes of the last node, or the error that a step stops at."""
        made: dict[str, Any] = {"raw": raw}
        try:
            for name, node in graph.nodes.items():
                if name != "raw":
                    slots, out = dict(node.slots), self.new()
                    kernel = row_pass.run if node.verb == PASS else KERNELS[node.verb]
                    data = made[slots.pop("data").node]
                    kernel({"data": data}, slots, Context(out, lambda kind, **fields: None, Meter()))
                    made[name] = Artifact("data", out, name)
        except RunError as error:
            return error.what
        return (made[name].path / "data.arrow").read_bytes()


class Scan:
    """A Parquet file in row groups of two rows, scanned as a run does."""

    def __init__(self, path: Path, table: pa.Table, columns: tuple[str, ...] | None) -> None:
        pq.write_table(table, path, row_group_size=2)
        self.file = SourceFile(path.name, path, path.stat().st_size)
        self.schema = table.select(columns or table.schema.names).schema
        self.bytes_read = self.rows_read = 0

    def batches(self, leaves_out: Any = None) -> Any:
        for size, batch in read_groups((self.file,), self.schema, leaves_out):
            self.bytes_read += size
            self.rows_read += len(batch)
            yield batch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("passes"))


@settings(max_examples=150, deadline=None)
@given(pipelines(), st.data())
def test_random_pipelines_come_to_the_same(folder: Folder, steps: Any, draw: Any) -> None:
    """With any of the passes, over stored rows and over a Parquet file: equal bytes, or the same error."""
    rows = draw.draw(rows_of(draw.draw(st.booleans())))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    graph, raw = chain(steps), folder.stored(table)
    chosen = tuple(name for name in ROW_PASSES if draw.draw(st.booleans(), label=name))
    expected = folder.result(graph, raw)
    after = optimized(graph, chosen)
    last = list(graph.nodes)[-1]
    assert graph_ids(after)[last] == graph_ids(graph)[last]
    assert graph_ids(unfused(after)) == graph_ids(graph)
    assert folder.result(after, raw) == expected
    whole = optimized(graph)
    (node,) = (node for node in whole.nodes.values() if node.verb == PASS)
    scan = Scan(folder.new() / "rows.parquet", table, node.slot("columns"))
    assert folder.result(whole, scan) == expected


@settings(max_examples=200, deadline=None)
@given(conditions(KINDS), rows_of(False).filter(len))
def test_bounds_never_miss_an_outcome(condition: Any, rows: Any) -> None:
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    bounds = {}
    for name in SCHEMA.names:
        values = [row[name] for row in rows if row[name] == row[name]]
        if values:
            bounds[name] = Bounds(min(values), max(values))
    try:
        found = set(evaluate(condition, Rows(batch)).to_pylist())
    except RunError:
        return
    assert found <= outcomes(condition, bounds)


# --- what is read -----------------------------------------------------------------------------

BIG = pa.table(
    {
        "n": pa.array(range(100)),
        "m": [1] * 100,
        "x": [0.5] * 100,
        "t": ["text" * 50] * 100,
        "ok": [True] * 100,
    }
)
LATE = ("filter", (("keep", Op(">=", (Col("n"), 96))), ("drop", None)))
NAMED = ("select", (("columns", (("n", Col("n")), ("score", Col("x")))),))


def test_a_scan_reads_only_columns_and_row_groups_that_matter(folder: Folder) -> None:
    graph = optimized(chain([NAMED, LATE]))
    columns = graph.nodes["s1"].slot("columns")
    assert columns == ("n", "x")
    scan = Scan(folder.new() / "rows.parquet", BIG, columns)
    whole = Scan(folder.new() / "rows.parquet", BIG, None)
    list(whole.batches())
    assert folder.result(graph, scan) == folder.result(chain([NAMED, LATE]), folder.stored(BIG))
    assert scan.rows_read == 4
    assert scan.bytes_read * 20 < whole.bytes_read


def test_a_row_group_with_missing_values_is_read(folder: Folder) -> None:
    """The error is the same whether the statistics would have left it out or not."""
    table = pa.table({**{name: BIG[name] for name in BIG.schema.names}, "n": pa.array([None, *range(99)])})
    graph = chain([NAMED, LATE])
    scan = Scan(folder.new() / "rows.parquet", table, ("n", "x"))
    found = folder.result(optimized(graph), scan)
    assert found == folder.result(graph, folder.stored(table)) == "row 1 has no value in `.n`"


def test_nothing_between_is_stored(folder: Folder) -> None:
    raw, before = folder.stored(BIG), folder.made
    folder.result(optimized(chain([NAMED, LATE, LATE])), raw)
    assert folder.made == before + 1


def test_stored_rows_count_only_the_columns_that_are_read(folder: Folder) -> None:
    graph = optimized(chain([NAMED]), ("prune_columns",))
    meter, node = Meter(), graph.nodes["s0"]
    row_pass.run(
        {"data": folder.stored(BIG)},
        dict(node.slots),
        Context(folder.new(), lambda kind, **fields: None, meter),
    )
    assert meter.bytes_read == 100 * (8 + 8)


def test_the_sample_puts_the_filter_first_that_drops_more(folder: Folder) -> None:
    """The plan guesses that `==` drops most; here it drops nothing."""
    always = ("filter", (("keep", Op("==", (Col("m"), 1))), ("drop", None)))
    graph = optimized(chain([always, LATE]))
    assert graph.nodes["s1"].slot("sequence") == (0, 1)
    batch = BIG.to_batches()[0]
    steps = graph.nodes["s1"].slot("steps")
    assert row_pass.by_sample([batch], steps, (0, 1), 256) == (1, 0)

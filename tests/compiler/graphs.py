"""Random graphs: valid to the IR, though no verb would take them, so every corner of a value is met."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from fusec.compiler.ir import Call, Check, Goal, Graph, Keep, Node, Output, Pairs, Ref, map_refs
from fusec.compiler.packages import PackagePin
from fusec.compiler.rowexpr import OPS, Col, Op
from fusec.lang.column_types import SCALARS, ColumnType, list_of, row_of
from fusec.lang.types import (
    DataType,
    DeltaType,
    MapType,
    ModelType,
    ReportType,
    Space,
    TokenizerType,
    Type,
    Unknown,
)

# Names as they stand in slots, methods and columns; some mean something else elsewhere in the language.
names = st.sampled_from(("a", "b_1", "data", "keep", "k", "M", "model", "r1", "ties", "token"))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
literals = st.booleans() | numbers | st.text(max_size=8)
node_names = st.sampled_from(("base", "expert[math]/data", "expert[gpt-4.1]", "x/y_1")) | st.text(max_size=6)
keys = st.just("") | names | st.text(max_size=4)

columns: st.SearchStrategy[ColumnType] = st.recursive(
    st.sampled_from(list(SCALARS.values())),
    lambda inner: (
        inner.map(list_of)
        | st.lists(st.tuples(st.text(max_size=4), inner), max_size=3).map(lambda f: row_of(*f))
    ),
    max_leaves=4,
)
sizes = st.integers(0, 2**62)
spaces = st.builds(Space, st.text(max_size=6), st.text(max_size=6), sizes, sizes, sizes, sizes)
data_types = st.builds(
    DataType,
    st.lists(st.tuples(st.text(max_size=4), columns), max_size=3).map(tuple),
    st.just(-1) | sizes,
    st.just(-1) | sizes,
)
texts = st.lists(st.text(max_size=4), max_size=3).map(tuple)
types: st.SearchStrategy[Type] = st.one_of(
    st.builds(Unknown),
    st.builds(ModelType, spaces, *[st.text(max_size=6)] * 4),
    st.builds(DeltaType, spaces, *[st.text(max_size=6)] * 4, sizes),
    data_types,
    st.builds(TokenizerType, st.text(max_size=6), sizes, st.booleans()),
    st.builds(ReportType, texts, texts),
    st.builds(MapType, st.lists(st.tuples(st.text(max_size=4), data_types), max_size=2).map(tuple)),
)


def rows(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Row expressions of any operator over any number of arguments."""
    return st.recursive(
        leaves | st.builds(Col, names | st.text(max_size=4)),
        lambda inner: st.builds(Op, st.sampled_from(list(OPS)), st.lists(inner, max_size=3).map(tuple)),
        max_leaves=8,
    )


def values(refs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of slots; `refs` gives the references that may stand in them."""
    return st.recursive(
        refs | literals | st.none() | rows(literals | refs),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(tuple),
            st.builds(Pairs, st.lists(st.tuples(inner, inner), max_size=2).map(tuple)),
            st.builds(Call, names, st.lists(st.tuples(names, inner), max_size=2).map(tuple)),
        ),
        max_leaves=6,
    )


constants = values(literals)

# Strategies are dear to build, so these are built once, with numbers where a graph puts names of its nodes.
somewhere = st.builds(Ref, st.sampled_from("01234567"), keys)
whole = somewhere.map(lambda ref: Ref(ref.node))
slot_lists = st.lists(st.tuples(names, values(somewhere)), max_size=4, unique_by=lambda slot: slot[0]).map(
    tuple
)
scores = st.tuples(whole, st.sampled_from(("loss", "average.loss")) | st.text(max_size=4)).map(
    lambda of: Op("field", of)
)
sides = st.tuples(scores | numbers, scores | numbers)
conditions = st.recursive(
    st.builds(Op, st.sampled_from(("<", "<=", "==")), sides),
    lambda inner: st.builds(Op, st.sampled_from(("and", "or")), st.tuples(inner, inner)),
    max_leaves=3,
)
words = st.text(max_size=6)
pins = st.builds(
    PackagePin,
    st.sampled_from(("acme_steps", "voices")),
    st.sampled_from(("1.0", "2!0.3+cu128", "2026.1a1")),
    st.sampled_from(("0" * 64, "9f" * 32)),
)
nodes = st.builds(
    Node,
    name=node_names,
    verb=st.sampled_from(("merge", "source.data", "judge_2")),
    revision=st.integers(1, 12),
    grade=st.sampled_from(("exact", "seeded", "external")),
    slots=slot_lists,
    type=types,
    origin=st.just("a spec.fuse:9:1") | words,
    packages=st.lists(pins, max_size=2).map(tuple),
)
goals: st.SearchStrategy[Goal] = st.one_of(
    st.builds(Output, somewhere, words, words),
    st.builds(Check, conditions, words, words, words),
    st.builds(Keep, somewhere),
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """One to eight nodes that use those before them, and goals of every kind."""
    made: dict[str, Node] = {}

    def point(ref: Ref) -> Ref | None:
        """The reference among the nodes made so far; the first node has none to refer to."""
        above = list(made)
        return Ref(above[int(ref.node) % len(above)], ref.key) if above else None

    for node in draw(st.lists(nodes, min_size=1, max_size=8, unique_by=lambda node: node.name)):
        made[node.name] = msgspec.structs.replace(node, slots=map_refs(node.slots, point))

    def served(goal: Goal) -> Goal:
        if isinstance(goal, Check):
            return msgspec.structs.replace(goal, condition=map_refs(goal.condition, point))
        return msgspec.structs.replace(goal, of=point(goal.of))

    return Graph(made, tuple(map(served, draw(st.lists(goals, max_size=3)))))

"""What decides an identity, and what must not: properties over random graphs, and over processes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from graphs import constants, graphs, types
from hypothesis import assume, given
from hypothesis import strategies as st

from fusec.compiler.identity import OUTSIDE, graph_ids, plan_id
from fusec.compiler.ir import Check, Goal, Graph, Keep, Node, Ref, map_refs
from fusec.lang.types import Unknown

replace = msgspec.structs.replace
seeds = st.integers(0, 2**32)


def identity(graph: Graph) -> str:
    return plan_id(graph, graph_ids(graph))


def everything(graph: Graph) -> Graph:
    """The graph with every node as a goal, so that its plan id speaks for all of them."""
    return graph.replace(graph.nodes, tuple(Keep(Ref(name)) for name in graph.nodes))


def changed(graph: Graph, name: str, **fields: Any) -> Graph:
    return graph.replace({**graph.nodes, name: replace(graph.nodes[name], **fields)})


def renamed(graph: Graph, names: dict[str, str]) -> Graph:
    def call(ref: Ref) -> Ref:
        return Ref(names[ref.node], ref.key)

    def goal(old: Goal) -> Goal:
        if isinstance(old, Check):
            return replace(old, condition=map_refs(old.condition, call))
        return replace(old, of=call(old.of))

    nodes = {
        names[node.name]: replace(node, name=names[node.name], slots=map_refs(node.slots, call))
        for node in graph.nodes.values()
    }
    return Graph(nodes, tuple(map(goal, graph.goals)))


def reordered(graph: Graph, rng: random.Random) -> Graph:
    """The same nodes in another order in which inputs come first, and the goals in any."""
    waiting, nodes = list(graph.nodes.values()), {}
    while waiting:
        ready = [node for node in waiting if all(ref.node in nodes for ref in node.inputs)]
        node = rng.choice(ready)
        waiting.remove(node)
        nodes[node.name] = node
    return Graph(nodes, tuple(rng.sample(graph.goals, len(graph.goals))))


@given(graphs(), seeds)
def test_names_and_order_are_free(graph: Graph, seed: int) -> None:
    rng = random.Random(seed)
    names = list(graph.nodes)
    new = dict(zip(names, rng.sample([*names, *(f"fresh_{i}" for i in range(4))], len(names)), strict=True))
    other = reordered(renamed(graph, new), rng)
    ids = graph_ids(other)
    assert {name: ids[new[name]] for name in names} == graph_ids(graph)
    assert identity(other) == identity(graph)


@given(graphs(), st.data())
def test_what_rides_along_for_people_is_free(graph: Graph, data: st.DataObject) -> None:
    def dressed(node: Node) -> Node:
        slots = tuple((name, "elsewhere" if name in OUTSIDE else value) for name, value in node.slots)
        return replace(node, slots=slots, type=data.draw(types), origin=data.draw(st.text()))

    goals = tuple(
        goal if isinstance(goal, Keep) else replace(goal, origin="moved.fuse:1:1") for goal in graph.goals
    )
    assert identity(Graph({n: dressed(node) for n, node in graph.nodes.items()}, goals)) == identity(graph)


@pytest.mark.parametrize("outside", sorted(OUTSIDE))
def test_a_bound_or_a_place_is_free(outside: str) -> None:
    def one(value: Any) -> Graph:
        node = Node("m", "merge", 1, "exact", ((outside, value), ("pin", "b968")), Unknown())
        return everything(Graph({"m": node}))

    assert identity(one("here")) == identity(one("there"))


@given(graphs(), st.data())
def test_any_other_value_of_a_slot_is_another_result(graph: Graph, data: st.DataObject) -> None:
    graph = everything(graph)
    slots = [(name, i) for name, node in graph.nodes.items() for i in range(len(node.slots))]
    assume(slots)
    name, at = data.draw(st.sampled_from(slots))
    old = graph.nodes[name].slots
    value = data.draw(constants)
    assume(repr(value) != repr(old[at][1]))
    other = changed(graph, name, slots=(*old[:at], (old[at][0], value), *old[at + 1 :]))
    before, after = graph_ids(graph), graph_ids(other)
    assert after[name] != before[name]
    for node in graph.nodes.values():
        touched = node.name == name or any(after[ref.node] != before[ref.node] for ref in node.inputs)
        if node.name != name:
            assert (after[node.name] != before[node.name]) == touched
    assert identity(other) != identity(graph)


@given(graphs(), st.data())
def test_verb_revision_and_inputs_count(graph: Graph, data: st.DataObject) -> None:
    graph = everything(graph)
    name = data.draw(st.sampled_from(list(graph.nodes)))
    node = graph.nodes[name]
    assert identity(changed(graph, name, revision=node.revision + 1)) != identity(graph)
    assert identity(changed(graph, name, verb=f"{node.verb}_2")) != identity(graph)
    if node.inputs:
        # Every input becomes a node that is equal to none of them.
        stranger = Node("stranger", "source.data", 1, "exact", (("pin", "77aa"),), Unknown())
        slots = map_refs(node.slots, lambda ref: Ref("stranger", ref.key))
        other = changed(Graph({"stranger": stranger, **graph.nodes}), name, slots=slots)
        assert graph_ids(other)[name] != graph_ids(graph)[name]


@given(graphs())
def test_goals_count_but_not_what_they_say(graph: Graph) -> None:
    assume(graph.goals)
    assert identity(graph.replace(graph.nodes, graph.goals[1:])) != identity(graph)
    said = tuple(
        replace(goal, text="other words", message="told otherwise") if isinstance(goal, Check) else goal
        for goal in graph.goals
    )
    assert identity(graph.replace(graph.nodes, said)) == identity(graph)


def test_identities_do_not_depend_on_the_process() -> None:
    program = (
        "from world import check_text; from fusec.compiler.lower import lower;"
        "from fusec.compiler.identity import graph_ids;"
        "typed, _ = check_text(open(0).read()); print(graph_ids(lower(typed)))"
    )
    spec = """edition 2026
param seed = 17
let skills = ["math", "code", "law"]
model base from "fixture:llama-a"
model expert[s in skills] from "fixture:llama-a-{s}"
data pairs from "fixture:pairs" |> filter { keep: .quality in [0.5, 1.0] or has(.response) }
data part = pairs |> split { train: 80%, test: 20% }
model merged = merge { base: base, experts: expert, method: ties(density: 0.5) }
output merged to "./out"
output part.test to "./test.jsonl"
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=spec,
            text=True,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.path.dirname(__file__)},
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(printed) == 1
    assert "merged" in printed.pop()

"""Make a chain of additive merges one merge of all their experts.

Fires where a merge has the result of another among its experts, over the same base, and both add fixed
shares of what their experts changed: `B + w (B + c D - B)` is `B + w c D`. Each expert is then read once, and
what stood between is neither written nor read. Changes rounding: the model between is no longer rounded to
its dtype. Declines where something else needs the model between, and where the store has it; for another
base or another `keep`; for rules and budgets, which belong to one merge; and for methods whose coefficients
follow from the tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fusec.compiler.identity import node_id
from fusec.compiler.ir import Node, Ref
from fusec.compiler.irsteps import lower_slots, raise_step
from fusec.compiler.passes.outline import Known, Outline, types_of
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.reads.planned import rests
from fusec.compiler.rowpass import users as users_of
from fusec.compiler.slots import Weighted
from fusec.compiler.step import method_called
from fusec.compiler.steps.merge import Merge
from fusec.lang.types import Type


def fold_merges(outline: Outline, known: Known) -> Outline:
    graph = outline.graph
    types, users = types_of(graph), users_of(graph)
    nodes: dict[str, Node] = {}
    ids: dict[str, str] = {}
    sums: dict[str, Merge] = {}
    for name, node in graph.nodes.items():
        merge = _as_sum(node, types)
        if merge is not None:
            refs = dict.fromkeys(expert.input.ref.node for expert in merge.experts)
            alone = [inner for inner in refs if inner in sums and {*users[inner]} == {name}]
            between = [i for i in alone if _alike(sums[i], merge) and ids[i] not in known.stored]
            if between:
                merge = _folded(merge, {inner: sums[inner] for inner in between})
                node = msgspec.structs.replace(node, slots=lower_slots(merge.order(ids)))
                for inner in between:
                    del nodes[inner]
            sums[name] = merge
        nodes[name] = node
        ids[name] = node_id(node, ids)
    if len(nodes) == len(graph.nodes):
        return outline
    return msgspec.structs.replace(outline, graph=graph.replace(nodes))


def _as_sum(node: Node, types: Mapping[Ref, Type]) -> Merge | None:
    """The merge as its base plus shares of changes, None where it is no such sum."""
    if node.verb != "merge" or node.packages or has_budget(node):
        return None
    merge = raise_step(node, dict(types))
    assert isinstance(merge, Merge)
    weights = [1.0 if expert.weight is None else expert.weight for expert in merge.experts]
    shares = merge.method.coefficients(weights)
    if merge.rules or merge.method.budget != "additive" or shares is None or not rests(merge.method, weights):
        return None
    experts = (Weighted(expert.input, share) for expert, share in zip(merge.experts, shares, strict=True))
    method = method_called("task_arithmetic", "merge")()
    return merge.model_copy(update={"experts": tuple(experts), "method": method})


def _alike(inner: Merge, outer: Merge) -> bool:
    return inner.base.ref == outer.base.ref and set(inner.keep) == set(outer.keep)


def _folded(outer: Merge, between: Mapping[str, Merge]) -> Merge:
    """The outer merge with the experts of those between, each with the product of its shares."""
    found: dict[Ref, Weighted] = {}
    for expert in _spread(outer, between):
        ref, before = expert.input.ref, found.get(expert.input.ref)
        weight = (expert.weight or 0.0) + (before.weight or 0.0 if before is not None else 0.0)
        found[ref] = Weighted(expert.input, weight)
    return outer.model_copy(update={"experts": tuple(found.values())})


def _spread(outer: Merge, between: Mapping[str, Merge]) -> Iterable[Weighted]:
    for expert in outer.experts:
        inner = between.get(expert.input.ref.node)
        if inner is None:
            yield expert
        else:
            share = expert.weight or 0.0
            yield from (Weighted(one.input, share * (one.weight or 0.0)) for one in inner.experts)

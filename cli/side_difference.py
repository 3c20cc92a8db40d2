"""What differs between two specs, plans, runs or manifests, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fusec.cli.amounts_difference import amount_differences, place_differences, score_differences
from fusec.cli.changes import version_of
from fusec.cli.plan_difference import differences
from fusec.cli.reads_difference import reads_differences
from fusec.cli.sides import Side
from fusec.cli.terms_difference import Limits, limit_differences
from fusec.compiler.identity import PASS, ids_within
from fusec.runtime.manifest import Manifest, NodeRecord, compare


class Part(NamedTuple):
    """Lines under a heading. Those of a part that is `aside` make no two sides different.

    `work` is asked for otherwise, `budget` has other limits, `reads` of experts are others, `results` came
    out otherwise; aside are `scores`, `amounts` (time, bytes, money) and `where`.
    """

    heading: str
    lines: tuple[str, ...]
    aside: bool = False


def side_differences(a: Side, b: Side) -> list[Part]:
    """Nothing, or asides alone, when both ask for the same work and, where both ran, made the same.

    Layout, names and the order of declarations are not looked at.
    """
    found = [
        Part("work", tuple(_work(a, b))),
        Part("budget", tuple(limit_differences(_limits(a), _limits(b)))),
        Part("reads", tuple(reads_differences(a, b))),
    ]
    if a.manifest is not None and b.manifest is not None:
        found.append(Part("results", tuple(_results(a.manifest, b.manifest))))
        found.append(Part("scores", tuple(score_differences(a, b)), aside=True))
    found.append(Part("amounts", tuple(amount_differences(a, b)), aside=True))
    found.append(Part("where", tuple(place_differences(a, b)), aside=True))
    return [part for part in found if part.lines]


def _limits(side: Side) -> Limits:
    if side.plan is not None:
        return side.plan.limits
    return side.manifest.limits if side.manifest is not None else ()


def _work(a: Side, b: Side) -> Iterator[str]:
    if a.plan is not None and b.plan is not None:
        yield from differences(a.plan, b.plan)
        return
    old, new = _ids(a), _ids(b)
    known, current = _mentioned(a, old), _mentioned(b, new)
    for name, (verb, id) in new.items():
        if id not in known:
            yield f"~ {name}: {verb}, made another way" if name in old else f"+ {name}: {verb}"
    for name, (verb, id) in old.items():
        if id not in current and name not in new:
            yield f"- {name}: {verb}"


def _ids(side: Side) -> dict[str, tuple[str, str]]:
    """Verb and identity of each step by name. A manifest says that much without its plan."""
    if side.plan is not None:
        graph, ids = version_of(side.plan.graph())
        return {name: (node.verb, ids[name]) for name, node in graph.nodes.items()}
    assert side.manifest is not None, "a side is a plan, a manifest or both"
    return {name: (verb, id) for node in side.manifest.nodes for name, verb, id in _steps(node)}


def _steps(node: NodeRecord) -> Iterator[tuple[str, str, str]]:
    if node.verb != PASS:
        yield node.name, node.verb, node.id
        return
    names, steps = node.slots["names"][1:], node.slots["steps"][1:]
    for name, (_, verb, *_), id in zip(names, steps, ids_within(node.slots), strict=True):
        yield name, verb, id


def _mentioned(side: Side, steps: Mapping[str, tuple[str, str]]) -> set[str]:
    """The identities of its steps and of what they take: what was read in place has no record of its own."""
    found = {id for _, id in steps.values()}
    if side.manifest is not None:
        found |= {input.partition("-")[0] for node in side.manifest.nodes for input in node.inputs}
    return found


def _results(a: Manifest, b: Manifest) -> Iterator[str]:
    """What was made of the same work with other bytes, and the checks that came out otherwise."""
    ids = {node.name: node.id for node in a.nodes}
    same_work = {node.name for node in b.nodes if ids.get(node.name) == node.id}
    for found in compare(a, b):
        if found.where == "node" and found.field == "root" and found.name in same_work:
            yield f"~ {found.name}: the same work made other bytes, {_short(found.a)} -> {_short(found.b)}"
    before = {check.name: check for check in a.checks}
    for check in b.checks:
        old = before.get(check.name, check)
        if old.passed != check.passed:
            yield f"~ check {check.name}: {_verdict(old.passed)} -> {_verdict(check.passed)}"
    if a.gate != b.gate:
        yield f"~ gate: {a.gate} -> {b.gate}"


def _verdict(passed: bool) -> str:
    return "passed" if passed else "failed"


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else digest[:12]

"""What passes did, in words and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fusec.compiler.ir import Graph
from fusec.compiler.irsteps import raise_step
from fusec.compiler.passes.outline import Outline, types_of
from fusec.compiler.passes.share_scans import read_by_others
from fusec.compiler.reads.planned import PlannedReads
from fusec.compiler.rowpass import scanned
from fusec.compiler.steps.merge import Merge
from fusec.lang.units import quantity_text

SHOWN = 3


class Told(NamedTuple):
    """A count before and after a pass, what it did in words, and the bytes that need not be read."""

    before: int
    after: int
    said: str = ""
    saved: int = 0


def rewritten(before: Outline, after: Outline) -> Told:
    """What a rewrite of the graph took out, put in and changed."""
    old, new = before.graph.nodes, after.graph.nodes
    gone = [name for name in old if name not in new]
    made = [name for name in new if name not in old]
    changed = [name for name, node in new.items() if name in old and old[name] is not node]
    changed = [name for name in changed if old[name] != new[name]]
    parts = (("left out", gone), ("added", made), ("changed", changed))
    said = "; ".join(f"{word} {named(names)}" for word, names in parts if names)
    saved = reading(before.graph, gone) - reading(after.graph, made) if gone or made else 0
    return Told(len(old), len(new), said + _spared(saved) if said else "", max(saved, 0))


def divided(before: Outline, after: Outline) -> Told:
    """`read_budget`: which merges got a share, and of how many bytes."""
    old, new = before.graph.nodes, after.graph.nodes
    names = [name for name, node in new.items() if node is not old[name]]
    shares = [f"{name} {quantity_text(int(new[name].slot('expert_reads')), 'Size')}" for name in names]
    said = f"divided among {listed(shares)}" if shares else ""
    if after.undivided is not None:
        said = f"not divided: too little is known of {listed(after.undivided.experts)}"
    return Told(len(old), len(new), said)


def looked(before: Outline, after: Outline) -> Told:
    """`reuse`: how much of the plan is there already, and what making that would read."""
    nodes, todo = after.graph.nodes, after.todo
    kept = [name for name, node in nodes.items() if name not in todo and node.verb not in _OPENED]
    kept = [name for name in kept if name not in scanned(after.graph)]
    saved = reading(after.graph, kept)
    said = f"not made again: {named(kept)}{_spared(saved)}" if kept else ""
    return Told(len(nodes), len(todo), said, saved)


def gathered(before: Outline, after: Outline) -> Told:
    """`share_scans`: merges, and the scans that serve them."""
    saved = 0.0
    if after.scans:
        types = types_of(after.graph)
        for name, others in read_by_others(after.graph, types, after.scans).items():
            node = after.graph.nodes[name]
            merge = raise_step(node, types)
            assert isinstance(merge, Merge)
            saved += merge.cost(node.type).reads.likely - merge.cost_beside(node.type, others).reads.likely
    said = "; ".join(f"{named(scan)} in one scan" for scan in after.scans)
    merges = sum(map(len, after.scans))
    return Told(merges, len(after.scans), said + _spared(int(saved)) if said else "", int(saved))


def read(before: Outline, after: Outline) -> Told:
    """`dedup_blocks`: what the merges under budgets read of what there is."""
    known = {name: reads for name, reads in after.reads.items() if isinstance(reads, PlannedReads)}
    if not known:
        return Told(len(after.todo), len(after.todo))
    full, read = sum(r.full for r in known.values()), sum(r.physical for r in known.values())
    amounts = f"{quantity_text(read, 'Size')} of {quantity_text(full, 'Size')}"
    return Told(len(after.todo), len(after.todo), f"{named(list(known))} read {amounts}", max(full - read, 0))


def placed(before: Outline, after: Outline) -> Told:
    """`place`: how many steps have a place on the target."""
    there = [task for task in after.tasks if task.place is not None]
    count = len(after.todo)
    said = f"{counted(len(there), 'step')} placed of {count}" if there else ""
    return Told(count, count, said)


_OPENED = frozenset({"source.model", "source.delta", "source.tokenizer"})
"""Verbs of what is opened where it lies, and never stored."""


def reading(graph: Graph, names: Iterable[str]) -> int:
    """The likely bytes that making these nodes reads."""
    names, total = list(names), 0.0
    if names:
        types = types_of(graph)
        total = sum(raise_step(graph.nodes[n], types).cost(graph.nodes[n].type).reads.likely for n in names)
    return int(total)


def named(names: Sequence[str]) -> str:
    """`3 steps (a, b, c)`: how many, and the first of them."""
    return f"{counted(len(names), 'step')} ({listed(names)})"


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _spared(saved: int) -> str:
    return f", {quantity_text(saved, 'Size')} less to read" if saved > 0 else ""

"""The optimizer: one ordered tuple of passes, each a file, each verified after it ran.

A pass takes a valid outline and gives a valid outline. `exact` passes keep every byte of every goal;
`numeric` ones may change rounding and are off unless asked for; those `by request` follow what the spec asks
for, such as a budget. Where a pass stands in `PASSES` is the whole discussion about order.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Literal

import msgspec

from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Graph, verify
from fusec.compiler.passes.cse import cse
from fusec.compiler.passes.deciding import divide, gather, look
from fusec.compiler.passes.dedup_blocks import dedup_blocks
from fusec.compiler.passes.fold_merges import fold_merges
from fusec.compiler.passes.fuse_rows import fuse_rows
from fusec.compiler.passes.order_filters import order_filters
from fusec.compiler.passes.outline import Known, Outline
from fusec.compiler.passes.place import place
from fusec.compiler.passes.prune_columns import prune_columns
from fusec.compiler.passes.prune_goals import prune_goals
from fusec.compiler.passes.push_filters import push_filters
from fusec.compiler.passes.telling import Told, divided, gathered, looked, placed, read, rewritten

Keeps = Literal["exact", "numeric", "by request"]


class Pass(msgspec.Struct, frozen=True):
    """`run` gives the outline behind a pass, `keeps` says what that promises about results.

    `told` says in words what happened between two outlines. `needed` is why a plan cannot do without the
    pass, empty where it can.
    """

    name: str
    keeps: Keeps
    run: Callable[[Outline, Known], Outline]
    told: Callable[[Outline, Outline], Told]
    needed: str = ""

    @property
    def default(self) -> bool:
        """Whether it runs unless somebody leaves it out."""
        return self.keeps != "numeric"


class Trace(msgspec.Struct, frozen=True):
    """What one pass did: a count before and after, of nodes where it rewrites and else of what it decides.

    `said` tells it in words, empty where it found nothing to do; `saved` are bytes that need not be read.
    """

    name: str
    before: int
    after: int
    said: str = ""
    saved: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.after - self.before:+d}" if self.after != self.before else f"{self.name} 0"


def _graph(name: str, keeps: Keeps, rewrite: Callable[[Graph], Graph]) -> Pass:
    """A pass that looks at nothing but the graph."""

    def run(outline: Outline, known: Known) -> Outline:
        return msgspec.structs.replace(outline, graph=rewrite(outline.graph))

    return Pass(name, keeps, run, rewritten)


PASSES: tuple[Pass, ...] = (
    _graph("cse", "exact", cse),
    _graph("prune_goals", "exact", prune_goals),
    Pass("fuse_rows", "exact", fuse_rows, rewritten),
    _graph("push_filters", "exact", push_filters),
    _graph("order_filters", "exact", order_filters),
    _graph("prune_columns", "exact", prune_columns),
    Pass("fold_merges", "numeric", fold_merges, rewritten),
    Pass("read_budget", "by request", divide, divided),
    Pass("reuse", "exact", look, looked),
    Pass("share_scans", "exact", gather, gathered),
    Pass(
        "dedup_blocks",
        "exact",
        dedup_blocks,
        read,
        needed="budgets count equal blocks once, and so the engine has to read them once",
    ),
    Pass("place", "exact", place, placed, needed="a step has to run somewhere"),
)
"""Rewrites of the graph first, as what they leave is what the others decide about."""

BY_NAME = {step.name: step for step in PASSES}
OPTIONAL = tuple(step.name for step in PASSES if step.default and not step.needed)
"""The passes that a plan may do without."""
ADDED = tuple(step.name for step in PASSES if not step.default)
"""The passes that run where somebody asks for them."""


def optimize(
    graph: Graph,
    known: Known,
    *,
    without: Container[str] = (),
    added: Container[str] = (),
    after: str | None = None,
) -> tuple[Outline, tuple[Trace, ...]]:
    """Run the passes on a graph: leave out `without`, add those of `added`, stop behind `after`.

    Leaving out `prune_goals` makes what no goal needs; leaving out `reuse` makes what is stored once more.
    """
    known = msgspec.structs.replace(
        known,
        ids=graph_ids(graph),
        stored=() if "reuse" in without else known.stored,
        together=known.together and "share_scans" not in without,
        everything=known.everything or "prune_goals" in without,
    )
    outline, traces = Outline(graph), []
    for step in PASSES:
        # Without `reuse` all is missing that goals need: that is decided too, against an empty store.
        if step.name == "reuse" or (step.name not in without and (step.default or step.name in added)):
            before, outline = outline, step.run(outline, known)
            if outline.graph is not before.graph:
                verify(outline.graph)
            if step.name not in without:
                told = step.told(before, outline)
                traces.append(Trace(step.name, told.before, told.after, told.said, told.saved))
        if step.name == after:
            break
    return outline, tuple(traces)

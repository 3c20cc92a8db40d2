"""The optimizer: an ordered tuple of rewrites, each a file, each verified after it ran.

A pass takes a valid graph and gives a valid graph. `exact` passes keep every byte of every goal;
`numeric` ones may change rounding and are off unless asked for. Where a pass stands in `PIPELINE` is the
whole discussion about order.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Literal

import msgspec

from fusec.compiler.ir import Graph, verify
from fusec.compiler.passes.cse import cse
from fusec.compiler.passes.prune_goals import prune_goals


class Pass(msgspec.Struct, frozen=True):
    """`run(graph)`; `keeps` says what it promises about results, `says` what it changed in words."""

    name: str
    keeps: Literal["exact", "numeric"]
    run: Callable[[Graph], Graph]


class Trace(msgspec.Struct, frozen=True):
    """What one pass did: nodes before and after; of `share_scans`, merges and the scans that serve them."""

    name: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.name} {self.after - self.before:+d}" if self.after != self.before else f"{self.name} 0"


PIPELINE: tuple[Pass, ...] = (
    Pass("cse", "exact", cse),
    Pass("prune_goals", "exact", prune_goals),
)
"""The rewrites of the graph. `reuse` follows them: it marks what the store holds and changes no node. So does
`share_scans`, which says what is done at once."""

OPTIONAL = (*(step.name for step in PIPELINE), "share_scans")
"""The passes that a plan may do without."""


def optimize(
    graph: Graph, *, without: Container[str] = (), after: str | None = None
) -> tuple[Graph, tuple[Trace, ...]]:
    """Run the pipeline, leaving out `without`, stopping behind `after`."""
    traces = []
    for step in PIPELINE:
        if step.name not in without:
            before = len(graph.nodes)
            graph = step.run(graph)
            verify(graph)
            traces.append(Trace(step.name, before, len(graph.nodes)))
        if step.name == after:
            break
    return graph, tuple(traces)

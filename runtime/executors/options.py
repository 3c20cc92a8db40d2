"""How to run a plan, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.runtime.events import Listener


@dataclass(frozen=True)
class Options:
    """How to run: nothing here changes the bytes of an `exact` result.

    Without `threads` a run uses the processors of the plan's target, or all of this machine. With `analyze`,
    merges that read their models whole tell the catalog what is in them. With `by_blocks`, experts of which a
    plan names the blocks are checked by those blocks alone. Without `limits` the budget is metered and stops
    nothing.
    """

    threads: int | None = None
    device: str = "cpu"
    gate: bool = True
    publish: bool = True
    by_blocks: bool = False
    analyze: bool = False
    limits: bool = True
    listeners: tuple[Listener, ...] = ()

"""What a merge says about its reads: a budget, or an error that must not be exceeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fusec.compiler.ir import Node
from fusec.compiler.methods.merge import Budget, MergeMethod
from fusec.compiler.step import Site, methods_of
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.codes.fuse302_read_budget_too_small import ReadBudgetTooSmall
from fusec.lang.codes.fuse308_no_error_bound import NoErrorBound
from fusec.lang.source import Span
from fusec.lang.units import quantity_text

Analysis = Literal["gram", "norms", "sampled"]


def allowed_bytes(expert_reads: Any, once: int, full: int) -> int | None:
    """Bytes that may be read of experts; None where that is everything.

    `expert_reads` is a number of bytes, a measure of a size, a share of reading them `once`, or None. Without
    a budget `full` bytes are read: once for each pass over them.
    """
    if expert_reads is None:
        return None
    if isinstance(expert_reads, int):
        allowed = expert_reads
    elif expert_reads.dimension == "Share":
        allowed = full if expert_reads.value >= 1 else int(expert_reads.value * once)
    else:
        allowed = int(expert_reads.value)
    return None if allowed >= full else allowed


def has_budget(node: Node) -> bool:
    """Whether a node is a merge that must not read everything."""
    if node.verb != "merge":
        return False
    slots = dict(node.slots)
    return slots["expert_reads"] is not None or slots["max_error"] is not None


def check_limits(
    site: Site,
    methods: Sequence[tuple[MergeMethod, Span]],
    *,
    allowed: int | None,
    least: int,
    max_error: float | None,
    analysis: Analysis,
) -> None:
    """Report what no plan of reads can meet. `least` are the bytes that have to be read in any case.

    `methods` are the merge's own and those of its rules, each with its text.
    """
    slot = "max_error" if allowed is None else "expert_reads"
    if allowed is not None and max_error is not None:
        site.report(
            OutOfRange(
                at=site.at("max_error"),
                what="max_error",
                got="stated beside `expert_reads`",
                allowed="one of the two: the other follows from it",
            )
        )
    elif allowed is None and max_error is None:
        return
    elif allowed is not None and allowed < least:
        needs, allows = quantity_text(least, "Size"), quantity_text(allowed, "Size")
        at = site.at("expert_reads")
        site.report(ReadBudgetTooSmall(at=at, verb="merge", needs=needs, allows=allows))
    else:
        unbounded = next((m for m in methods if not _may_leave_out(m[0].budget, analysis)), None)
        if unbounded is not None:
            known = methods_of("merge")
            others = tuple(
                name for name in known if _may_leave_out(getattr(known[name], "budget", "none"), analysis)
            )
            site.report(
                NoErrorBound(
                    at=site.at(slot),
                    slot=slot,
                    method=unbounded[0].name,
                    method_at=unbounded[1],
                    others=others,
                )
            )


def _may_leave_out(budget: Budget, analysis: Analysis) -> bool:
    return budget in ("additive", "blocks") or (budget == "gram" and analysis == "gram")

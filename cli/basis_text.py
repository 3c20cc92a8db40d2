"""Where the seconds of each step come from: the rates, and what steps like it took."""

from __future__ import annotations

from fusec.cli.amounts import size_text, time_text
from fusec.cli.columns import columns
from fusec.compiler.cost import Range, Rates
from fusec.compiler.plan import Plan
from fusec.compiler.predicting import Basis

HEADS = ("node", "start", "loading", "reading", "decoding", "computing", "writing", "rates", "earlier steps")


def basis_text(plan: Plan) -> str:
    """One line per step to compute, with amounts that add up to its likely seconds.

    `-` is less than a millisecond. `x1.4` says that work takes 1.4 times as long as the rates have it,
    learned from that many earlier steps.
    """
    rows = [(task.name, *_cells(task.basis)) for task in plan.tasks if task.basis is not None]
    if not rows:
        return ""
    table = columns([HEADS, *rows], right=range(1, len(HEADS)))
    return f"{table}\n\n{_speeds(plan.speeds)}" if plan.speeds is not None else table


def _speeds(rates: Rates) -> str:
    lines: list[tuple[str, ...]] = [("speeds", "low", "likely", "high")]
    for name, speed in (("reading", rates.read), ("decoding", rates.decode), ("writing", rates.write)):
        lines.append((name, *(f"{size_text(part)}/s" for part in _triple(speed))))
    lines.append(("computing", *(f"{part / 1e9:.3g} GFLOP/s" for part in _triple(rates.flops))))
    return columns(lines, right=(1, 2, 3))


def _triple(speed: Range) -> tuple[float, float, float]:
    return speed.low, speed.likely, speed.high


def _cells(basis: Basis) -> tuple[str, ...]:
    amounts = (
        basis.start,
        basis.loading,
        basis.reading,
        basis.decoding,
        basis.computing,
        basis.writing,
    )
    factor = f"x{basis.factor:.2g}" if basis.runs else "as stated"
    return (*(time_text(amount) if amount >= 1e-3 else "-" for amount in amounts), factor, str(basis.runs))

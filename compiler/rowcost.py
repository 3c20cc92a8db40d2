"""What a row expression is worth as a filter before any row is seen: what it costs, and which share stays."""

from __future__ import annotations

from math import prod

from fusec.compiler.rowexpr import Expr, Op

# Relative to comparing two numbers; the last two go row by row through Python.
WORK = {"len": 2.0, "lower": 8.0, "upper": 8.0, "strip": 4.0, "contains": 10.0, "starts_with": 2.0}
WORK |= {"matches": 100.0, "parses": 1000.0}
STAYS = {"==": 0.1, "in": 0.3, "contains": 0.3, "starts_with": 0.2, "matches": 0.3, "has": 0.9, "parses": 0.8}
"""Shares as query optimizers guess them where they know nothing of the values."""


def work(expr: Expr) -> float:
    """Time for one row, in comparisons of two numbers."""
    if not isinstance(expr, Op):
        return 0.0
    return WORK.get(expr.name, 1.0) + sum(map(work, expr.args))


def guess(expr: Expr) -> float:
    """The share of rows that meet a condition, between 0 and 1."""
    if not isinstance(expr, Op):
        return 0.5
    if expr.name == "and":
        return prod(map(guess, expr.args))
    if expr.name in ("not", "not in", "!="):
        opposite = {"not in": "in", "!=": "=="}.get(expr.name)
        return 1 - (STAYS[opposite] if opposite else guess(expr.args[0]))
    if expr.name == "or":
        return 1 - prod(1 - guess(arg) for arg in expr.args)
    return STAYS.get(expr.name, 0.4)

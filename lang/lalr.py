"""The LALR machine: feeds tokens through the parse tables and builds values on the way.

Its stack is a chain of immutable cells, so any earlier moment can be returned to after a mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from fusec.lang import tables
from fusec.lang.tables import END, Rule, Tables

# (action of the rule, children, start, end) -> value
Reduce = Callable[[str, list[Any], int, int], Any]


class Cell(NamedTuple):
    state: int
    value: Any
    start: int
    end: int
    below: Cell | None


@cache
def _tables() -> Tables:
    return tables.load()


def begin(start: str, at: int) -> Cell:
    """The stack before the first token of a text that begins at offset `at`."""
    return Cell(_tables().starts[start], None, at, at, None)


def feed(top: Cell, kind: str, value: Any, start: int, end: int, reduce: Reduce) -> Cell | None:
    """The stack after one more token, or None where the grammar has no place for it."""
    states = _tables().states
    while (action := states[top.state].get(kind)) is not None:
        if action >= 0:
            return Cell(action, value, start, end, top)
        top = _reduced(top, _tables().rules[-1 - action], reduce)
    return None


def finish(top: Cell, start: str, reduce: Reduce) -> Cell | None:
    """The cell that holds the value of the whole text, or None when something is still missing."""
    end = _tables().ends[start]
    while top.state != end:
        action = _tables().states[top.state].get(END)
        if action is None:
            return None
        top = _reduced(top, _tables().rules[-1 - action], reduce)
    return top


def accepts(top: Cell, start: str) -> frozenset[str]:
    """The kinds of token that can follow, `END` among them when the text may end here."""
    kinds = _tables().states[top.state].keys() & _tables().tokens
    fits = {kind for kind in kinds if feed(top, kind, None, 0, 0, nothing)}
    return frozenset(fits | {END} if finish(top, start, nothing) else fits)


def nothing(action: str, children: list[Any], start: int, end: int) -> None:
    return None


def _reduced(top: Cell, rule: Rule, reduce: Reduce) -> Cell:
    cells: list[Cell] = []
    for _ in range(rule.size):
        cells.append(top)
        assert top.below is not None
        top = top.below
    cells.reverse()
    start, end = (cells[0].start, cells[-1].end) if cells else (top.end, top.end)
    children: list[Any] = []
    at = 0
    for take in rule.takes:
        if take == "n":
            children.append(None)
            continue
        if take == "k":
            children.append(cells[at].value)
        elif take == "s":
            children.extend(cells[at].value)
        at += 1
    if rule.action:
        value = reduce(rule.action, children, start, end)
    else:
        value = children if rule.origin.startswith("_") else children[0]
    return Cell(_tables().states[top.state][rule.origin], value, start, end, top)

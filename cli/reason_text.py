"""Reasons as sentences."""

from __future__ import annotations

from fusec.cli.changes import Change
from fusec.cli.reasons import Reason, Told


def reason_text(reason: Reason) -> str:
    """A line for the node, and one for each further cause or for the way it took."""
    name = f"`{reason.node}`"
    match reason.state:
        case "outside":
            return f"{name} comes from outside and is used where it lies: nothing runs"
        case "stored":
            since = f" since run {reason.run}" if reason.run else ""
            return f"{name} is in the store{since}: nothing runs"
        case "never":
            return f"{name} runs for the first time: no run in the store had it"
        case "lost":
            return f"{name} runs again because its result of run {reason.run} is no longer in the store"
        case "fused":
            made = f"run {reason.run} made `{reason.within}` of it in one pass over the rows"
            return f"{name} has no result of its own: {made}"
        case "unfinished":
            return f"{name} runs because run {reason.run} ended before it was made"
        case _:
            return _changed(name, reason)


def _changed(name: str, reason: Reason) -> str:
    lines: list[str] = []
    for told in reason.causes:
        start = "  and because" if lines else f"{name} runs again because"
        changed, *way = told.cause.path
        of = f"`{changed}` changed: its" if way else "its"
        lines.append(f"{start} {of} {_words(told)}")
        if len(way) > 1:
            lines.append(f"    {' -> '.join(told.cause.path)}")
    if not reason.pinned:
        lines.append("  sources are compared by their headers until `fusec lock` pins them")
    return "\n".join([*lines, f"  against run {reason.run}"])


def _words(told: Told) -> str:
    through = f", through {_list('param', told.params)}" if told.params else ""
    return f"{_difference(told.cause.change)} ({told.at}{through})"


def _list(what: str, names: tuple[str, ...]) -> str:
    return " and ".join(f"`{what} {name}`" for name in names)


def _difference(change: Change) -> str:
    match change.what:
        case "slot":
            return f"`{change.slot}` was {change.was}, is {change.now}"
        case "inputs" if change.was and change.now:
            return f"`{change.slot}` had {change.was}, has {change.now}"
        case "inputs" if change.now:
            return f"`{change.slot}` gained {change.now}"
        case "inputs":
            return f"`{change.slot}` lost {change.was}"
        case "content":
            return f"content was {change.was[:12]}, is {change.now[:12]}"
        case "revision":
            return f"verb was at revision {change.was}, is at {change.now}"
        case _:
            return f"{change.what} was {change.was}, is {change.now}"

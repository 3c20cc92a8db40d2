"""What differs between two sides in what they come to: scores, time, bytes, money, and where they ran.

None of it makes two sides different work: it is told beside what does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fusec.cli.amounts import count_text, size_text, time_text
from fusec.cli.results import report_of
from fusec.cli.sides import Side
from fusec.cli.terms_difference import target_text
from fusec.compiler.plan import Plan
from fusec.lang.units import quantity_text
from fusec.runtime.manifest import Environment, Manifest

NOTICED = 1.25
"""A step is told apart when its time changes by more than this ratio, and by more than a second."""

_MOST_STEPS = 5
_RAN: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "read": ("bytes_read", size_text),
    "written": ("bytes_written", size_text),
    "read of experts": ("expert_bytes", size_text),
    "tokens": ("tokens", count_text),
}


# --- scores -------------------------------------------------------------------------------


def score_differences(a: Side, b: Side) -> Iterator[str]:
    """Each number of a report that both runs made, with how much it rose or fell."""
    old, new = _scores(a), _scores(b)
    for name, now in new.items():
        if name in old and old[name] != now:
            yield f"~ {name}: {old[name]:.6g} -> {now:.6g} ({now - old[name]:+.3g})"


def _scores(side: Side) -> dict[str, float]:
    """The numbers of all reports, by what a check calls them; away from their store those of checks."""
    manifest, store = side.manifest, side.store
    assert manifest is not None, "a side without a manifest made nothing"
    found = {name: float(v) for check in manifest.checks for name, v in check.values.items()}
    for node in manifest.nodes if store is not None else ():
        for group, numbers in report_of(node, store or Path()).items():
            found |= {f"{node.name}.{group}.{metric}": float(v) for metric, v in numbers.items()}
    return found


# --- amounts ------------------------------------------------------------------------------


def amount_differences(a: Side, b: Side) -> Iterator[str]:
    """What two runs took, or what two plans estimate for what they would compute."""
    if a.manifest is not None and b.manifest is not None:
        yield from _ran(a.manifest, b.manifest)
    elif a.plan is not None and b.plan is not None and a.manifest is b.manifest:
        yield from _planned(a.plan, b.plan)


def _ran(a: Manifest, b: Manifest) -> Iterator[str]:
    yield from _line("time", a.seconds, b.seconds, time_text)
    for what, (amount, text) in _RAN.items():
        old, new = (sum(node.actual.get(amount, 0.0) for node in side.nodes) for side in (a, b))
        yield from _line(what, old, new, text)
    limits = {limit.name: limit for limit in a.limits}
    for limit in b.limits:
        if limit.name == "cost" and limit.name in limits and limits["cost"].unit == limit.unit:
            yield from _line("price", limits["cost"].used, limit.used, _money(limit.unit))
    took = {node.name: node.actual["seconds"] for node in a.nodes if "seconds" in node.actual}
    slower = [
        (abs(node.actual["seconds"] - took[node.name]), node.name, took[node.name], node.actual["seconds"])
        for node in b.nodes
        if node.name in took and _noticed(took[node.name], node.actual.get("seconds", took[node.name]))
    ]
    for _, name, old, new in sorted(slower, key=lambda each: (-each[0], each[1]))[:_MOST_STEPS]:
        yield from _line(f"time of {name}", old, new, time_text)


def _noticed(old: float, new: float) -> bool:
    return abs(new - old) > 1 and not old / NOTICED <= new <= old * NOTICED


def _planned(a: Plan, b: Plan) -> Iterator[str]:
    new = [[task for task in plan.tasks if task.state == "new"] for plan in (a, b)]
    yield from _line("time", a.wall.likely, b.wall.likely, time_text)
    for what, of in _COSTS.items():
        old, now = (sum(of(task.cost) for task in tasks) for tasks in new)
        yield from _line(what, old, now, size_text)
    priced = [all(task.money is not None for task in tasks) for tasks in new]
    currencies = [plan.target.currency if plan.target is not None else "" for plan in (a, b)]
    if all(priced) and currencies[0] == currencies[1] != "":
        old, now = (sum(task.money.likely for task in tasks if task.money is not None) for tasks in new)
        yield from _line("price", old, now, _money(currencies[0]))


_COSTS: Mapping[str, Callable[[Any], float]] = {
    "reads": lambda cost: cost.reads.likely,
    "writes": lambda cost: cost.writes.likely,
    "reads of experts": lambda cost: cost.expert_reads.likely,
}


def _money(currency: str) -> Callable[[float], str]:
    return lambda amount: quantity_text(amount, "Money", currency)


def _line(what: str, old: float, new: float, text: Callable[[float], str]) -> Iterator[str]:
    """`~ time: 12 s -> 9 s (-25%)`; nothing for what reads the same."""
    was, now = text(old), text(new)
    if was != now:
        yield f"~ {what}: {was} -> {now}{f' ({new / old - 1:+.0%})' if old and new else ''}"


# --- where --------------------------------------------------------------------------------


def place_differences(a: Side, b: Side) -> Iterator[str]:
    """Where two sides ran or are planned to run: target, fusec, Python, libraries, machine, device."""
    if a.plan is not None and b.plan is not None:
        was, now = target_text(a.plan.target), target_text(b.plan.target)
        if was != now:
            yield f"~ target: {was} -> {now}"
    if a.manifest is None or b.manifest is None:
        return
    old, new = _versions(a.manifest), _versions(b.manifest)
    for name in (*new, *(name for name in old if name not in new)):
        if old.get(name) != new.get(name):
            yield f"~ {name}: {old.get(name, 'not there')} -> {new.get(name, 'not there')}"


def _versions(manifest: Manifest) -> dict[str, str]:
    place: Environment = manifest.environment
    return {
        "fusec": manifest.fusec,
        "Python": place.python,
        "system": f"{place.system} {place.machine}",
        "device": place.device,
        "threads": str(place.threads),
        **place.libraries,
        **{f"package {pin.name}": f"{pin.version} ({pin.sha256[:8]})" for pin in manifest.packages},
    }

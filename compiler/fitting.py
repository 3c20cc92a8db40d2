"""Whether a plan can run where it shall: machines, memory, disk, paths, prices, budget."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import msgspec

from fusec.compiler.budget import amount_text, over_budget
from fusec.compiler.cost import Cost, Range
from fusec.compiler.facts import DataFacts, ModelFacts, SourceFacts
from fusec.compiler.methods.target import Local, Ray
from fusec.compiler.paths import is_local
from fusec.compiler.placement import Ask, Pool, ask_of, place, place_in_text, pools_of, roomier
from fusec.compiler.plan import Plan
from fusec.compiler.remedies import Remedies
from fusec.compiler.typed import Limit, Typed, TypedStep, TypedTarget
from fusec.lang.codes.fuse206_units_differ import UnitsDiffer
from fusec.lang.codes.fuse303_cannot_place import CannotPlace
from fusec.lang.codes.fuse304_out_of_memory import OutOfMemory
from fusec.lang.codes.fuse305_disk_too_small import DiskTooSmall
from fusec.lang.codes.fuse306_price_unknown import PriceUnknown
from fusec.lang.codes.fuse309_not_analysed import NotAnalysed
from fusec.lang.codes.fuse501_local_path import LocalPath
from fusec.lang.codes.fuse503_not_on_device import NotOnDevice
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span


def unfit(
    typed: Typed, plan: Plan, target: TypedTarget | None = None, remedies: Remedies | None = None
) -> tuple[Diagnostic, ...]:
    """Everything that keeps a plan from running within its budget, on the target it was made for."""
    found = list(_unknown_blocks(typed, plan))
    found += over_budget(typed, plan, remedies)
    found += _unpriced(typed, plan, target)
    if target is not None:
        new = [typed.steps[task.name] for task in plan.tasks if task.state != "stored"]
        found += misplaced(typed, new, target)
        found += _disk(typed, plan, target)
    return tuple(found)


def misplaced(typed: Typed, steps: Iterable[TypedStep], target: TypedTarget) -> list[Diagnostic]:
    """The steps that no machine of the target can run, and the sources that it cannot read."""
    pools = pools_of(target)
    found: list[Diagnostic] = []
    said: set[tuple[type[Diagnostic], Span]] = set()  # the members of a family stand at one place
    for step in steps:
        problem = _path(typed, step, target) or _room(step, target, pools)
        if problem is not None and (key := (type(problem), problem.marks()[0].span)) not in said:
            said.add(key)
            found.append(problem)
    return found


# --- reads of merges -------------------------------------------------------------------------


def _unknown_blocks(typed: Typed, plan: Plan) -> list[Diagnostic]:
    """One FUSE309 for each merge whose reads cannot be planned."""
    found: list[Diagnostic] = []
    for task in plan.tasks:
        if task.unknown is not None:
            step = typed.steps[task.name]
            slot = "expert_reads" if "expert_reads" in step.written else "max_error"
            found.append(
                NotAnalysed(
                    at=step.written.get(slot, step.at),
                    slot=slot,
                    unknown=task.unknown.experts,
                    command=task.unknown.command,
                    reads=amount_text(task.unknown.bytes, "B"),
                )
            )
    return found


# --- machines -----------------------------------------------------------------------------


def _room(step: TypedStep, target: TypedTarget, pools: Sequence[Pool]) -> Diagnostic | None:
    cost = step.step.cost(step.type)
    ask = ask_of(step.step, cost, pools)
    if place(ask, pools) is not None:
        return None
    at = step.written.get("resources", step.at)
    anywhere = msgspec.structs.replace(ask, memory=0.0, bf16=False)
    if place(anywhere, pools) is None:
        return _cannot_place(step, target, pools, ask, at)
    if place(msgspec.structs.replace(ask, memory=0.0), pools) is None:
        devices = tuple(
            (place_in_text(target, (*pool.path, "gpus")), pool.device.name)
            for pool in pools
            if pool.device is not None and not pool.device.bf16
        )
        return NotOnDevice(step=step.name, target=target.name, at=at, dtype="bf16", devices=devices)
    return OutOfMemory(
        step=step.name,
        target=target.name,
        at=at,
        needs=amount_text(ask.memory, "B"),
        spread=_spread(cost.memory),
        parts=tuple(
            (name, amount_text(size, "B")) for name, size in step.step.memory_parts(step.type) if size
        ),
        ways=_roomier(ask, target, pools),
        has=tuple(_memory(target, pool, ask) for pool in pools if (pool.gpus if ask.groups else pool.memory)),
    )


def _memory(target: TypedTarget, pool: Pool, ask: Ask) -> tuple[Span, str]:
    if not ask.groups or pool.device is None:
        return place_in_text(target, (*pool.path, "memory")), f"gives {amount_text(pool.memory or 0, 'B')}"
    gpus = min(ask.groups[0][1], pool.gpus)
    text = amount_text(gpus * pool.device.memory, "B")
    return place_in_text(target, (*pool.path, "gpus")), f"{gpus} x {pool.device.name} gives {text}"


def _roomier(ask: Ask, target: TypedTarget, pools: Sequence[Pool]) -> tuple[str, ...]:
    """The least that would give a step its memory: more of the GPUs there are, or else more machines."""
    needs = amount_text(ask.memory, "B")
    more = roomier(ask, pools)
    if more is not None:
        return (f"ask for `{_gpus(more)}`",)
    largest = max((p for p in pools if p.device is not None), key=_gpu_memory, default=None)
    if not ask.groups or largest is None:
        return (f"run it on a machine with {needs} of memory",)
    if len(ask.groups) > 1:
        return (f"give `{target.name}` more machines",)
    assert largest.device is not None
    gpus = max(math.ceil(ask.memory / largest.device.memory), ask.gpus)
    machines = math.ceil(gpus / largest.gpus)
    wide = msgspec.structs.replace(ask, groups=(("", gpus),), spread=machines > 1)
    has = f"{largest.device.name}({largest.gpus})"
    if isinstance(target.value, Local):
        return (f"run it on a target with `{largest.device.name}({gpus})`, and ask for `{_gpus(wide)}`",)
    return (f"give `{target.name}` {machines} nodes with `{has}`, and ask for `{_gpus(wide)}`",)


def _gpu_memory(pool: Pool) -> int:
    assert pool.device is not None
    return pool.gpus * pool.device.memory


def _gpus(ask: Ask) -> str:
    """`gpus(train: 6, teacher: 2)`, as a step asks for it."""
    parts = [f"{name}: {n}" if name else str(n) for name, n in ask.groups] + ["spread: true"] * ask.spread
    return f"gpus({', '.join(parts)})"


def _spread(amount: Range) -> str:
    low, high = amount_text(amount.low, "B"), amount_text(amount.high, "B")
    return f"{low} .. {high}" if low != high else ""


def _cannot_place(
    step: TypedStep, target: TypedTarget, pools: Sequence[Pool], ask: Ask, at: Span
) -> CannotPlace:
    """The message, with what the machines have and smaller requests that were tried and fit."""
    machine, a_machine = ("machine", "the machine") if isinstance(target.value, Local) else ("node", "a node")
    slot, has = ("gpus", [pool.gpus for pool in pools]) if ask.groups else ("cpus", [p.cpus for p in pools])
    parties = tuple(
        (place_in_text(target, (*pool.path, slot)), f"{a_machine} has {count}")
        for pool, count in zip(pools, has, strict=True)
        if count
    )
    most = max(count or 0 for count in has)
    if not ask.groups:
        asks = f"asks for {ask.cpus} processors of one {machine}"
        ways: tuple[str, ...] = (f"ask for `cpus({most})`",)
    else:
        largest = max(count for _, count in ask.groups)
        if largest > most and not ask.spread:
            group = "placement group" if machine == "node" else "machine"
            asks = f"asks for {largest} GPU{'s' * (largest > 1)} in one {group}"
        else:
            asks = f"asks for {ask.gpus} GPUs in {len(ask.groups)} group{'s' * (len(ask.groups) > 1)}"
        ways = _smaller(ask, pools, most) or _roomier(ask, target, pools)
    return CannotPlace(
        step=step.name,
        target=target.name,
        at=at,
        asks=asks,
        has=parties or ((target.expr.span, "has no GPUs"),),
        ways=ways,
        machine=machine,
    )


def _smaller(ask: Ask, pools: Sequence[Pool], most: int) -> tuple[str, ...]:
    """Requests near the one made that the machines can hold; `most` GPUs are in one of them.

    None where the step then lacks memory.
    """
    if most == 0:
        return ("give the target GPUs, or ask for `cpus(...)`",)
    ways = []
    bare = msgspec.structs.replace(ask, memory=0.0, bf16=False)
    groups = ask.groups if ask.spread else tuple((name, min(count, most)) for name, count in ask.groups)

    def too_many(count: int) -> bool:
        cut = tuple((name, min(n, count)) for name, n in groups)
        return place(msgspec.structs.replace(bare, groups=cut), pools) is None

    # Groups of one size at most, then one GPU less at a time: a request may be absurdly large.
    first = bisect_left(range(1, max(n for _, n in groups) + 1), True, key=too_many) + 1
    groups = tuple((name, min(n, first)) for name, n in groups)
    while place(msgspec.structs.replace(bare, groups=groups), pools) is None:
        largest, count = max(groups, key=lambda group: group[1])
        if count == 1:
            break
        groups = tuple((name, n - (name == largest)) for name, n in groups)
    else:
        fewer = msgspec.structs.replace(ask, groups=groups, bf16=False)
        if place(fewer, pools) is not None:
            ways.append(f"ask for `{_gpus(fewer)}`")
    if not ask.spread and place(msgspec.structs.replace(ask, spread=True, bf16=False), pools) is not None:
        ways.append("allow `spread: true`")
    return tuple(ways)


def _disk(typed: Typed, plan: Plan, target: TypedTarget) -> tuple[Diagnostic, ...]:
    disk = target.value.disk if isinstance(target.value, Local) else None
    written = sorted(((task.cost.writes.likely, task.name) for task in plan.tasks), reverse=True)
    needs = sum(amount for amount, _ in written)
    if disk is None or needs <= disk:
        return ()
    at = place_in_text(target, ("disk",))
    writers = tuple((name, amount_text(amount, "B")) for amount, name in written[:4] if amount)
    return (DiskTooSmall(target.name, at, amount_text(needs, "B"), amount_text(disk, "B"), writers),)


# --- paths --------------------------------------------------------------------------------


def _path(typed: Typed, step: TypedStep, target: TypedTarget) -> Diagnostic | None:
    request = typed.sources.get(step.name)
    if request is None or not isinstance(target.value, Ray) or not is_local(request.uri):
        return None
    size = _size(typed.facts[step.name])
    return LocalPath(at=step.at, path=request.uri, size=size, target=target.name, place=target.expr.span)


def _size(facts: SourceFacts) -> str:
    known = isinstance(facts, (DataFacts, ModelFacts)) and facts.bytes is not None and facts.bytes >= 0
    return amount_text(facts.bytes, "B") if known else ""  # type: ignore[union-attr]


# --- prices -------------------------------------------------------------------------------


def _unpriced(typed: Typed, plan: Plan, target: TypedTarget | None) -> tuple[Diagnostic, ...]:
    limit = next((limit for limit in typed.limits if limit.name == "cost"), None)
    if limit is None:
        return ()
    if plan.target is not None and plan.target.currency not in ("", limit.value.kind):
        return (_other_currency(limit, plan.target.currency, plan.target.name),)
    free = [task for task in plan.tasks if task.state == "new" and task.money is None and task.cost != Cost()]
    if target is not None:
        free = [task for task in free if task.place is not None]
    if not free:
        return ()
    machine = None
    if target is not None and free[0].place is not None:
        machine = place_in_text(target, pools_of(target)[free[0].place.pools[0]].path)
    names = tuple(dict.fromkeys(task.name for task in free))
    return (PriceUnknown(at=limit.at, steps=names, machine=machine),)


def _other_currency(limit: Limit, currency: str, target: str) -> Diagnostic:
    got = f"`{limit.value}` is Money[{limit.value.kind}]"
    return UnitsDiffer(at=limit.at, got=got, wants=f"Money[{currency}], as its prices are", what=target)

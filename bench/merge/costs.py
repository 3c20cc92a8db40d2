"""The tables of what merging costs: bytes, time and memory against the others.

Each asks the arena for runs; what another table has run is not run again.
"""

from __future__ import annotations

from collections.abc import Callable

from .arena import LOCKED, NEW, Arena
from .cells import AMOUNTS, amounts, missing, one, some
from .markdown import Cell, Table, megabytes
from .runs import Missing, Outcome, Run
from .scope import BUDGET, Scope
from .throttle import Throttle

FULL_READS = ("linear", "task_arithmetic", "ties")
COMPARED = (
    "linear", "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "breadcrumbs", "sce", "slerp",
    "nuslerp", "multislerp", "karcher", "model_stock",
)  # fmt: skip


def reads(arena: Arena, scope: Scope) -> Table:
    table = Table(
        "T1",
        "Bytes fetched from the device against the number of experts",
        "MB by /proc/PID/io, base and catalog in the cache and the experts not: what is counted is experts, "
        "headers included. Ledger is what fusec itself counted at 10 %. task_arithmetic on models of "
        f"{megabytes(arena.model_bytes):.0f} MB; the fixed budget is half a model.",
        ("K", "all experts", "fusec, all", "fusec, 10 %", "fusec, fixed", "10 % in fact", "kernel / ledger"),
    )
    fixed = {"expert_reads": f"{arena.model_bytes // 2_000_000} MB"}
    for count in scope.counts:
        every = count * arena.model_bytes
        row: list[Cell] = [count, round(megabytes(every))]
        found = [
            arena.fusec("task_arithmetic", count, slots=slots, warm_base=True)
            for slots in ({}, BUDGET, fixed)
        ]
        row += [one(each, lambda run: round(megabytes(run.read))) for each in found]
        tenth = found[1]
        if isinstance(tenth, Run) and tenth.ledger:
            row += [f"{100 * tenth.read / every:.2f} %", tenth.read / tenth.ledger]
        else:
            row += [None, None]
        table.rows.append(row)
    return table


def times(arena: Arena, scope: Scope) -> Table:
    table = Table(
        "T2",
        "Time, CPU and memory against the number of experts, cold cache",
        "From the start of the command to its output on the disk. First: nothing known, so every input is "
        "also hashed. Locked: hashed before. Analysed: its blocks are known too. Ratios: mergekit over it.",
        ("contender", "K", *AMOUNTS, "x floor", "wall ratio", "CPU ratio"),
    )
    for operator in scope.among(FULL_READS):
        for count in scope.counts:
            if operator == "ties" and count > scope.at:
                continue
            _contenders(arena, table, operator, count)
    return table


def _contenders(arena: Arena, table: Table, operator: str, count: int) -> None:
    budgeted = {"fusec analysed, 10 %": lambda: arena.fusec(operator, count, slots=BUDGET)}
    runs: dict[str, Callable[[], Outcome]] = {
        "floor": lambda: arena.floor(count),
        "naive torch": lambda: arena.naive(operator, count),
        "mergekit": lambda: arena.mergekit(operator, count),
        "mergekit --lazy-unpickle": lambda: arena.mergekit(operator, count, "--lazy-unpickle"),
        "fusec first": lambda: arena.fusec(operator, count, store=NEW),
        "fusec locked": lambda: arena.fusec(operator, count, store=LOCKED),
        "fusec analysed": lambda: arena.fusec(operator, count),
        **(budgeted if operator != "ties" else {}),
    }
    if operator == "ties":
        del runs["mergekit --lazy-unpickle"]
    found = {name: run() for name, run in runs.items()}
    yard = found["mergekit"]
    for name, each in found.items():
        label = f"{operator}: {name}"
        if isinstance(each, Missing):
            table.rows.append([label, count, *missing(each, len(AMOUNTS) + 3)])
            continue
        least = found["floor"]
        over = each.wall / least.wall if isinstance(least, Run) else None
        ratios: list[Cell] = [None, None]
        if isinstance(yard, Run) and name != "mergekit":
            ratios = [yard.wall / each.wall, yard.cpu / each.cpu]
        table.rows.append([label, count, *amounts(each), over, *ratios])


def throttled(arena: Arena, scope: Scope, megabytes_per_second: int = 200) -> Table:
    table = Table(
        "T2b",
        f"The same behind a device of {megabytes_per_second} MB/s",
        "Reads limited by a control group of our own; what is written back later is not limited by it.",
        ("contender", "K", *AMOUNTS, "times floor"),
    )
    try:
        throttle = Throttle(arena.family, megabytes_per_second * 1_000_000)
    except OSError as error:
        table.rows.append([f"not available: {error}", *[None] * (len(table.columns) - 1)])
        return table
    with throttle:
        slow = arena.behind(throttle)
        for count in sorted({scope.at, scope.most}):
            runs: dict[str, Outcome] = {
                "floor": slow.floor(count),
                "mergekit": slow.mergekit("task_arithmetic", count),
                "fusec analysed": slow.fusec("task_arithmetic", count),
                "fusec analysed, 10 %": slow.fusec("task_arithmetic", count, slots=BUDGET),
            }
            yard = runs["floor"]
            for name, each in runs.items():
                if isinstance(each, Missing):
                    table.rows.append([name, count, *missing(each, len(AMOUNTS) + 1)])
                else:
                    over = each.wall / yard.wall if isinstance(yard, Run) else None
                    table.rows.append([name, count, *amounts(each), over])
    return table


def total_io(arena: Arena, scope: Scope) -> Table:
    table = Table(
        "T3",
        "All bytes, the whole output counted",
        "Read and written by the process, task_arithmetic. At best a budget of a share b leaves "
        "(K + 2) / (b K + 2) of a full merge, 5.0 times at K = 16 and b = 10 %.",
        ("K", "mergekit MB", "fusec MB", "fusec 10 % MB", "mergekit / 10 %", "at best"),
    )
    for count in scope.counts:
        sums = [
            one(found, lambda m: megabytes(m.read + m.written))
            for found in (
                arena.mergekit("task_arithmetic", count),
                arena.fusec("task_arithmetic", count),
                arena.fusec("task_arithmetic", count, slots=BUDGET),
            )
        ]
        theirs, _, ours = sums
        ratio = theirs / ours if isinstance(theirs, float) and isinstance(ours, float) else None
        whole = [round(s) if isinstance(s, float) else s for s in sums]
        table.rows.append([count, *whole, ratio, (count + 2) / (0.1 * count + 2)])
    return table


def operators(arena: Arena, scope: Scope) -> Table:
    table = Table(
        "T5",
        f"Operators, K = {scope.operators_at} (slerp 1, nuslerp 2)",
        "Cold cache, float32 arithmetic in both. Second: the family was hashed before, but not analysed.",
        ("operator", "mergekit s", "CPU s", "MB", "fusec first s", "CPU s", "second s", "CPU s", "MB",
         "wall ratio", "CPU ratio"),
    )  # fmt: skip
    for name in scope.among(COMPARED):
        theirs = arena.mergekit(name, scope.operators_at)
        first = arena.fusec(name, scope.operators_at, store=NEW)
        known = arena.fusec(name, scope.operators_at, store=LOCKED)
        row: list[Cell] = [name]
        row += some(theirs, "wall", "cpu", "anonymous")
        row += some(first, "wall", "cpu") + some(known, "wall", "cpu", "anonymous")
        if isinstance(theirs, Run) and isinstance(known, Run):
            row += [theirs.wall / known.wall, theirs.cpu / known.cpu]
        else:
            row += [None, None]
        table.rows.append(row)
    return table

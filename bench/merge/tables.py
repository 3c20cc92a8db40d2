"""The tables of the report. Each asks the arena for runs; what another table has run is not run again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .arena import ANALYSED, LOCKED, MANIFEST, NEW, Arena, Missing, Outcome, Run, analysed_in
from .contenders import weights_of
from .markdown import AMOUNTS, Cell, Table, amounts, megabytes
from .measure import Measured
from .sweep import error_of, random_errors
from .throttle import Throttle

FULL_READS = ("linear", "task_arithmetic", "ties")
COMPARED = (
    "linear", "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "breadcrumbs", "sce", "slerp",
    "nuslerp", "multislerp", "karcher", "model_stock",
)  # fmt: skip
BUDGETS = (0, 1, 5, 10, 25, 50, 100)
SELECTORS = ("gram", "norms", "sampled")
BLOCKS = (64, 256, 1024, 4096, 16384)
"""In KiB of bf16."""
BUDGET = {"expert_reads": "10%"}


@dataclass(frozen=True)
class Scope:
    """How much of everything: numbers of experts, those where one number has to do, and which operators."""

    counts: Sequence[int] = (2, 4, 8, 16)
    at: int = 8
    operators_at: int = 4
    operators: Sequence[str] = ()

    def among(self, names: Sequence[str]) -> list[str]:
        """Those of the operators that were asked for, all where none was named."""
        return [name for name in names if not self.operators or name in self.operators]

    @property
    def most(self) -> int:
        return max(self.counts)


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
        tenth: Outcome = Missing("not tried")
        for slots in ({}, BUDGET, fixed):
            found = arena.fusec("task_arithmetic", count, slots=slots, warm_base=True)
            row.append(_one(found, lambda m: round(megabytes(m.read))))
            tenth = found if slots is BUDGET else tenth
        row.append(_one(tenth, lambda m, e=every: f"{100 * m.read / e:.2f} %"))
        row.append(tenth.read / tenth.ledger if isinstance(tenth, Run) and tenth.ledger else None)
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
    for name, one in found.items():
        label = f"{operator}: {name}"
        if isinstance(one, Missing):
            table.rows.append([label, count, *_missing(one, len(AMOUNTS) + 3)])
            continue
        least = found["floor"]
        over = one.wall / least.wall if isinstance(least, Measured) else None
        ratios: list[Cell] = [None, None]
        if isinstance(yard, Measured) and name != "mergekit":
            ratios = [yard.wall / one.wall, yard.cpu / one.cpu]
        table.rows.append([label, count, *amounts(one), over, *ratios])


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
        for count in (scope.at, scope.most):
            runs: dict[str, Outcome] = {
                "floor": slow.floor(count),
                "mergekit": slow.mergekit("task_arithmetic", count),
                "fusec analysed": slow.fusec("task_arithmetic", count),
                "fusec analysed, 10 %": slow.fusec("task_arithmetic", count, slots=BUDGET),
            }
            yard = runs["floor"]
            for name, one in runs.items():
                if isinstance(one, Missing):
                    table.rows.append([name, count, *_missing(one, len(AMOUNTS) + 1)])
                else:
                    over = one.wall / yard.wall if isinstance(yard, Measured) else None
                    table.rows.append([name, count, *amounts(one), over])
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
            _one(found, lambda m: megabytes(m.read + m.written))
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


def budgets(arena: Arena, scope: Scope) -> Table:
    table = Table(
        "T4",
        f"What a budget costs in accuracy, task_arithmetic, K = {scope.most}",
        "Error of the written model against the written full merge, as a share of the update (1 is the base "
        "itself) and of the weights; the certificate is what the plan promised. Random: blocks drawn by lot.",
        ("budget", "random", *(f"{s}{c}" for s in SELECTORS for c in ("", ", certified")), "of weights"),
    )
    experts = arena.experts(scope.most)
    shares = [budget / 100 for budget in BUDGETS]
    by_lot = random_errors(arena.base, experts, weights_of(scope.most), shares)
    full, part = arena.work / "full", arena.work / "part"
    whole = arena.fusec("task_arithmetic", scope.most, keep=full)
    for budget, lot in zip(BUDGETS, by_lot, strict=True):
        row: list[Cell] = [f"{budget} %", lot]
        weights: Cell = None
        for selector in SELECTORS:
            slots = {"expert_reads": f"{budget}%", "analysis": selector}
            found = arena.fusec("task_arithmetic", scope.most, slots=slots, keep=part)
            if isinstance(found, Missing) or isinstance(whole, Missing):
                row += ["not available", None]
                continue
            error = error_of(arena.base, full, part)
            row += [error.of_update, certified(part)]
            weights = error.of_weights if selector == "gram" else weights
        table.rows.append([*row, weights])
    for folder in (full, part):
        shutil.rmtree(folder, ignore_errors=True)
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
        row += _some(theirs, "wall", "cpu", "anonymous")
        row += _some(first, "wall", "cpu") + _some(known, "wall", "cpu", "anonymous")
        if isinstance(theirs, Measured) and isinstance(known, Measured):
            row += [theirs.wall / known.wall, theirs.cpu / known.cpu]
        else:
            row += [None, None]
        table.rows.append(row)
    return table


def ablations(arena: Arena, scope: Scope) -> Table:
    table = Table(
        "T6",
        f"What parts of it are worth, task_arithmetic, K = {scope.at}",
        "Full reads: equal blocks and blocks equal to the base are known after an analysis only. Blocks of "
        "other sizes: bytes fetched and update-relative error at a budget of 10 %.",
        ("variant", *AMOUNTS, "error"),
    )
    for label, store in (
        ("full, nothing known of blocks", LOCKED),
        ("full, equal blocks read once", ANALYSED),
    ):
        found = arena.fusec("task_arithmetic", scope.at, store=store)
        table.rows.append([label, *_amounts(found), None])
    full, part = arena.work / "full", arena.work / "part"
    arena.fusec("task_arithmetic", scope.at, keep=full)
    for kilobytes in BLOCKS:
        elements = kilobytes * 1024 // 2
        analysed = arena.analyse(scope.at, block=elements)
        label = f"10 %, blocks of {kilobytes} KiB"
        if isinstance(analysed, Missing):
            table.rows.append([label, *_missing(analysed, len(AMOUNTS) + 1)])
            continue
        found = arena.fusec("task_arithmetic", scope.at, store=analysed_in(elements), slots=BUDGET, keep=part)
        error = error_of(arena.base, full, part).of_update if isinstance(found, Measured) else None
        table.rows.append([label, *_amounts(found), error])
    for folder in (full, part):
        shutil.rmtree(folder, ignore_errors=True)
    return table


def overhead(arena: Arena, scope: Scope, prepared: Mapping[str, Outcome]) -> Table:
    table = Table(
        "T7",
        f"What it takes besides, K = {scope.most}",
        "Analysing reads every model once; the catalog and the manifest are what stays.",
        ("what", *AMOUNTS),
    )
    for name, found in prepared.items():
        table.rows.append([name, *_amounts(found)])
    table.rows.append(["plan of a 10 % budget", *_amounts(arena.plan("task_arithmetic", scope.most, BUDGET))])
    store = arena.stores.get(ANALYSED, arena.work) / ".fusec"
    catalog = sum(file.stat().st_size for file in store.glob("catalog.db*"))
    manifest = max((file.stat().st_size for file in store.glob("runs/*/manifest.json")), default=0)
    for label, size in (("catalog", catalog), ("manifest", manifest)):
        table.rows.append([f"{label}: {size / 1e6:.2f} MB", *[None] * len(AMOUNTS)])
    return table


def certified(merged: Path) -> float | None:
    """The error that the plan of a kept output promised, as a share of the update; None without a budget."""
    nodes = json.loads((merged / MANIFEST).read_text())["nodes"]
    found = [node["reads"]["certificate"] for node in nodes if node.get("reads")]
    return found[-1]["of_update"] if found else None


def _one(found: Outcome, value: Callable[[Measured], Cell]) -> Cell:
    return "not available" if isinstance(found, Missing) else value(found)


def _some(found: Outcome, *names: str) -> list[Cell]:
    if isinstance(found, Missing):
        return ["not available", *[None] * (len(names) - 1)]
    values = [getattr(found, name) for name in names]
    return [round(megabytes(v)) if n == "anonymous" else v for n, v in zip(names, values, strict=True)]


def _amounts(found: Outcome) -> list[Cell]:
    return _missing(found, len(AMOUNTS)) if isinstance(found, Missing) else amounts(found)


def _missing(found: Missing, cells: int) -> list[Cell]:
    return [f"not available ({found.why})", *[None] * (cells - 1)]

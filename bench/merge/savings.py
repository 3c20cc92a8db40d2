"""The tables of what is saved and at which price: budgets, ablations, what analysing and planning take."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from .arena import ANALYSED, LOCKED, MANIFEST, Arena, analysed_in
from .cells import AMOUNTS, amounts, missing
from .contenders import weights_of
from .markdown import Cell, Table
from .runs import Missing, Outcome, Run
from .scope import BUDGET, Scope
from .sweep import error_of, random_errors

BUDGETS = (0, 1, 5, 10, 25, 50, 100)
SELECTORS = ("gram", "norms", "sampled")
BLOCKS = (64, 256, 1024, 4096, 16384)
"""In KiB of bf16."""


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
        table.rows.append([label, *amounts(found), None])
    full, part = arena.work / "full", arena.work / "part"
    arena.fusec("task_arithmetic", scope.at, keep=full)
    for kilobytes in BLOCKS:
        elements = kilobytes * 1024 // 2
        slots = BUDGET | {"block": str(elements)}
        analysed = arena.analyse(scope.at, block=elements)
        label = f"10 %, blocks of {kilobytes} KiB"
        if isinstance(analysed, Missing):
            table.rows.append([label, *missing(analysed, len(AMOUNTS) + 1)])
            continue
        found = arena.fusec("task_arithmetic", scope.at, store=analysed_in(elements), slots=slots, keep=part)
        error = error_of(arena.base, full, part).of_update if isinstance(found, Run) else None
        table.rows.append([label, *amounts(found), error])
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
        table.rows.append([name, *amounts(found)])
    table.rows.append(["plan of a 10 % budget", *amounts(arena.plan("task_arithmetic", scope.most, BUDGET))])
    part = arena.work / "part"
    if isinstance(arena.fusec("task_arithmetic", scope.most, slots=BUDGET, keep=part), Run):
        catalog = sum(f.stat().st_size for f in (arena.stores[ANALYSED] / ".fusec").glob("catalog.db*"))
        for label, size in (("catalog", catalog), ("manifest", (part / MANIFEST).stat().st_size)):
            table.rows.append([f"{label}: {size / 1e6:.2f} MB", *[None] * len(AMOUNTS)])
        shutil.rmtree(part)
    return table


def certified(merged: Path) -> float | None:
    """The error that the plan of a kept output promised, as a share of the update; None without a budget."""
    nodes = json.loads((merged / MANIFEST).read_text())["nodes"]
    found = [node["reads"]["certificate"] for node in nodes if node.get("reads")]
    return found[-1]["of_update"] if found else None

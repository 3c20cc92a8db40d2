"""A plan as people read it: one line per node, then budget, passes, rates and identity."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from fusec.cli.accounts import accounts_of_plan
from fusec.cli.amounts import size_text, time_text
from fusec.cli.basis_text import basis_text
from fusec.cli.columns import columns, shortened
from fusec.cli.plan_places import places_text
from fusec.cli.plan_rows import FUSED, price_text, rows
from fusec.cli.reads_text import details_text, planned_text
from fusec.compiler.cost import Range
from fusec.compiler.ir import Check, Graph, Output
from fusec.compiler.passes import Trace
from fusec.compiler.plan import Plan, PlannedLimit

HEADS = ("node", "state", "reads", "time", "price", "grade", "note")
AMOUNTS = (2, 3, 4)
NODE_WIDTH, LEAST_NODE, NOTE_WIDTH = 28, 10, 12


def plan_text(plan: Plan, *, width: int, verbose: bool = False) -> str:
    """The whole plan; notes are cut at `width` columns unless `verbose` asks for everything."""
    graph = plan.graph()
    footer = _footer(plan, graph, None if verbose else width)
    blocks = [_table(plan, graph, width, verbose), planned_text(plan, width), footer]
    if verbose:
        blocks += [*details_text(accounts_of_plan(plan)), places_text(plan), _details(plan), basis_text(plan)]
    return "\n\n".join(block for block in blocks if block)


# --- the table ----------------------------------------------------------------------------


def _table(plan: Plan, graph: Graph, width: int, verbose: bool) -> str:
    lines: list[tuple[str, ...]] = [HEADS]
    for row in rows(plan, graph):
        first = row.tasks[0]
        reads = sum(task.cost.reads.likely for task in row.tasks)
        seconds = sum(task.seconds.likely for task in row.tasks)
        new = first.state == "new"
        lines += [(step.node, FUSED, "-", "-", "-", first.grade, step.verb) for step in row.fused]
        lines.append(
            (
                row.node,
                first.state,
                size_text(reads) if new and reads else "-",
                time_text(seconds) if new else "-",
                price_text(plan, row.tasks),
                first.grade,
                row.note,
            )
        )
    for goal in graph.goals:
        if isinstance(goal, Output):
            lines.append(("output", "", "-", "-", "-", plan.grade, f"{str(goal.of)[1:]} -> {goal.to}"))
    # What says `-` in every line says nothing: `price` without a target, and more where all is stored.
    kept = [at for at in range(len(HEADS)) if any(line[at] not in ("", "-") for line in lines[1:])]
    lines = [tuple(line[at] for at in kept) for line in lines]
    if not verbose:
        # The amounts are never cut; a name is before its note, and both before a line is too long.
        between = 2 + sum(max(len(line[at]) for line in lines) + 2 for at in range(1, len(kept) - 1)) + 2
        longest = min(max(len(line[0]) for line in lines), NODE_WIDTH)
        names = max(min(longest, width - between - NOTE_WIDTH), LEAST_NODE)
        notes = max(width - between - names, NOTE_WIDTH)
        lines = [(shortened(line[0], names), *line[1:-1], shortened(line[-1], notes)) for line in lines]
    return columns(lines, right=[at for at, column in enumerate(kept) if column in AMOUNTS])


# --- below the table ----------------------------------------------------------------------


def _footer(plan: Plan, graph: Graph, width: int | None) -> str:
    new = [task for task in plan.tasks if task.state == "new"]
    seconds = plan.wall
    reads = sum(task.cost.reads.likely for task in new)
    time = f"{time_text(seconds.likely)} ({time_text(seconds.low)} .. {time_text(seconds.high)})"
    price = price_text(plan, new)
    if price != "-":
        time += f", {price}"
    lines = [
        ("total", f"{len(new)} to compute, {size_text(reads)} read, {time}" if new else "nothing to compute")
    ]
    checks = sum(isinstance(goal, Check) for goal in graph.goals)
    if checks:
        lines.append(("checks", f"{checks}, outputs wait for them"))
    lines += [("scan", _scan(names)) for names in plan.scans]
    lines += [("budget", _limit(limit)) for limit in plan.limits]
    lines.append(("passes", _passes(plan.passes)))
    loose = [source for source in plan.sources if not source.facts.pinned_by_content]
    if loose:
        count = f"{len(loose)} of {len(plan.sources)} not pinned by content"
        lines.append(("sources", f"{count}; `fusec lock {plan.spec}` pins them"))
    if plan.packages:
        lines.append(("packages", ", ".join(pin.short for pin in plan.packages)))
    lines.append(("rates", plan.rates))
    lines.append(("plan", plan.id[:8]))
    return columns(_wrapped(lines, width) if width is not None else lines)


def _wrapped(lines: list[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """The lines with texts that do not fit broken between words."""
    room = width - 4 - max(len(name) for name, _ in lines)
    found = []
    for name, text in lines:
        parts = wrap(text, max(room, NOTE_WIDTH), break_long_words=False, break_on_hyphens=False)
        if len(text) <= room:  # spaces within a line mean something
            parts = [text]
        found += [(name if at == 0 else "", part) for at, part in enumerate(parts)]
    return found


def _passes(traces: Sequence[Trace]) -> str:
    """`cse -2, reuse -9 (4.4 GB)`, with what it saves to read; those that found nothing are counted."""
    acted = [trace for trace in traces if trace.said or trace.saved or trace.before != trace.after]
    words = [f"{trace} ({size_text(trace.saved)})" if trace.saved else str(trace) for trace in acted]
    idle = len(traces) - len(acted)
    if not acted:
        return f"{idle} found nothing to do"
    return ", ".join(words) + (f"; {idle} found nothing to do" if idle else "")


def _scan(names: tuple[str, ...]) -> str:
    first = shortened(names[0], NODE_WIDTH)
    return f"{first} and {len(names) - 1} more read their experts together, at its cost"


def _limit(limit: PlannedLimit) -> str:
    text = f"{limit.name} {limit.text(limit.planned)} of {limit.text(limit.limit)}"
    if limit.planned > limit.limit:
        return f"{text}   exceeded"
    return f"{text}   tight" if limit.tight else text


def _details(plan: Plan) -> str:
    """Identity and ranges of every node, and what every pass did."""
    nodes: list[tuple[str, ...]] = [("node", "id", "reads", "time", "memory")]
    for task in plan.tasks:
        if task.state == "new":
            ranges = (task.cost.reads, size_text), (task.seconds, time_text), (task.cost.memory, size_text)
            nodes.append((task.name, task.id[:12], *(_spread(found, text) for found, text in ranges)))
        else:
            nodes.append((task.name, task.id[:12], "-", "-", "-"))
    passes = [("pass", "before", "after", "saved", "")]
    for trace in plan.passes:
        saved = size_text(trace.saved) if trace.saved else "-"
        passes.append((trace.name, str(trace.before), str(trace.after), saved, trace.said or "nothing to do"))
    return "\n\n".join((columns(nodes), columns(passes, right=(1, 2, 3)), f"  plan id {plan.id}"))


def _spread(found: Range, text: object) -> str:
    assert callable(text)
    if found.low == found.high:
        return str(text(found.likely))
    return f"{text(found.low)} .. {text(found.likely)} .. {text(found.high)}"

"""A plan as one page: no script, nothing loaded from elsewhere, the same bytes for the same plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import dedent
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fusec.cli.amounts import size_text, time_text
from fusec.cli.basis_text import basis_text
from fusec.cli.charts.bars import meter, range_bar
from fusec.cli.charts.svg import Drawing, inline
from fusec.cli.charts.theme import CHARTS, MONO, SANS, THEME
from fusec.cli.last_run import LastRun
from fusec.cli.plan_curves import plan_curves
from fusec.cli.plan_graph import plan_graph
from fusec.cli.plan_rows import FUSED, Row, price_text, rows
from fusec.cli.plan_times import plan_timeline
from fusec.compiler.cost import Range
from fusec.compiler.ir import Check, Graph, Output
from fusec.compiler.passes import BY_NAME, Trace
from fusec.compiler.plan import Plan, Task
from fusec.compiler.reads.ladder import Ladder
from fusec.lang.units import quantity_text

GRADES = {
    "exact": "the same bytes anywhere",
    "seeded": "the same bytes on the same stack, given the seed",
    "external": "an outside service takes part",
}
MOST_NAMES = 24
MOST_BOXES = 400
"""Beyond this many boxes nobody reads the graph, and drawing it takes longer than planning."""


class Amount(NamedTuple):
    """A cell with a bar: the text, the range in words where there is one, and the picture."""

    text: str
    spread: str
    bar: Markup


class Step(NamedTuple):
    """A line of the table of steps."""

    name: str
    keys: str
    verb: str
    state: str
    grade: str
    reads: Amount | None
    time: Amount | None
    price: Amount | None


class Tile(NamedTuple):
    """A number to know first."""

    name: str
    value: str
    more: str


def plan_page(plan: Plan, *, ladders: Mapping[str, Ladder], last: LastRun | None) -> str:
    """The page; `ladders` are what its merges could read with other budgets, by name."""
    graph = plan.graph()
    shown = rows(plan, graph)
    new = [task for task in plan.tasks if task.state == "new"]
    env = Environment(
        loader=PackageLoader("fusec.cli", "html"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    path, rest = plan.critical_path, len(plan.critical_path) - MOST_NAMES
    when = plan_timeline(plan, graph) if new else None
    seconds = {task.name: task.seconds.likely for task in new}
    return env.get_template("plan.html.jinja").render(
        plan=plan,
        style=Markup(THEME + CHARTS),
        mono=Markup(MONO),
        sans=Markup(SANS),
        tiles=_tiles(plan, new),
        graph=_drawn(plan_graph(plan), "graph") if len(shown) <= MOST_BOXES else None,
        steps=_steps(plan, shown),
        priced=any(price_text(plan, row.tasks) != "-" for row in shown),
        budgets=[_budget(plan, at) for at in range(len(plan.limits))],
        curves=[
            {**found._asdict(), "drawing": _drawn(found.drawing, f"curve-{at}")}
            for at, found in enumerate(plan_curves(plan, ladders))
        ],
        timeline=_drawn(when.drawing, "timeline") if when is not None else None,
        left_out=when.left_out if when is not None else 0,
        path=" → ".join(path[:MOST_NAMES]) + (f" and {rest} more" if rest > 0 else ""),
        path_time=time_text(sum(seconds[name] for name in path)),
        at_once=plan.target is not None and plan.target.kind == "ray",
        basis=dedent(basis_text(plan)),
        last=last,
        last_time=time_text(last.seconds) if last is not None and last.seconds is not None else "",
        outputs=_outputs(plan, graph),
        passes=[_pass(trace) for trace in plan.passes],
        checks=[goal for goal in graph.goals if isinstance(goal, Check)],
        loose=[source.name for source in plan.sources if not source.facts.pinned_by_content],
    )


def _drawn(drawing: Drawing, id: str) -> Markup:
    return Markup(inline(drawing, id))


def _tiles(plan: Plan, new: Sequence[Task]) -> list[Tile]:
    stored = sum(task.state == "stored" for task in plan.tasks)
    reads = sum(task.cost.reads.likely for task in new)
    writes = sum(task.cost.writes.likely for task in new)
    price = price_text(plan, new)
    where = f"on {plan.target.name}" if plan.target is not None else "planned for no target"
    return [
        Tile("to compute", f"{len(new)} of {len(plan.tasks)}", f"{stored} stored already"),
        Tile("time", time_text(plan.wall.likely) if new else "-", _spread(plan.wall) or "nothing to compute"),
        Tile("reads", size_text(reads), f"{size_text(writes)} written"),
        Tile("price", price, where),
        Tile("grade", plan.grade, GRADES[plan.grade]),
    ]


def _spread(amount: Range) -> str:
    return f"{time_text(amount.low)} to {time_text(amount.high)}" if amount.low < amount.high else ""


def _steps(plan: Plan, shown: Sequence[Row]) -> list[Step]:
    new = [row for row in shown if row.state == "new"]
    priced = [row for row in new if price_text(plan, row.tasks) != "-"]
    currency = plan.target.currency if plan.target is not None else ""
    reads = _cells(new, lambda task: task.cost.reads, size_text)
    seconds = _cells(new, lambda task: task.seconds, time_text)
    money = _cells(
        priced, lambda task: task.money or Range(), lambda value: quantity_text(value, "Money", currency)
    )
    found = []
    for row in shown:
        grade = row.tasks[0].grade
        found += [
            Step(step.family, step.keys, step.verb, FUSED, grade, None, None, None) for step in row.fused
        ]
        amounts = (cells.get(row.node) for cells in (reads, seconds, money))
        found.append(Step(row.family, row.keys, row.note, row.state, grade, *amounts))
    return found


def _cells(
    rows: Sequence[Row], amount: Callable[[Task], Range], text: Callable[[float], str]
) -> dict[str, Amount]:
    """A cell for each row, by name, whose amount is not zero; their bars are on one scale."""
    sums = {row.node: sum((amount(task) for task in row.tasks), Range()) for row in rows}
    most = max((own.high for own in sums.values()), default=0.0)
    found = {}
    for node, own in sums.items():
        low, high = text(own.low), text(own.high)
        if own.likely:
            bar = Markup(range_bar(own.low, own.likely, own.high, most))
            found[node] = Amount(text(own.likely), f"{low} to {high}" if low != high else "", bar)
    return found


def _budget(plan: Plan, at: int) -> dict[str, Any]:
    limit = plan.limits[at]
    state = "exceeded" if limit.planned > limit.limit else "tight" if limit.tight else "within"
    kind = {"exceeded": "bad", "tight": "warn", "within": "new"}[state]
    return {
        "name": limit.name,
        "planned": limit.text(limit.planned),
        "limit": limit.text(limit.limit),
        "share": f"{limit.planned / limit.limit:.0%}" if limit.limit else "",
        "state": state,
        "kind": kind,
        "meter": Markup(meter(limit.planned, limit.limit, kind=kind)),
    }


def _pass(trace: Trace) -> dict[str, Any]:
    return {
        "name": trace.name,
        "keeps": BY_NAME[trace.name].keeps,
        "before": trace.before,
        "after": trace.after,
        "saved": size_text(trace.saved) if trace.saved else "-",
        "said": trace.said or "nothing to do",
    }


def _outputs(plan: Plan, graph: Graph) -> list[dict[str, str]]:
    """Each output with the weakest grade of all that it is made from."""
    weakest: dict[str, str] = {}
    order = list(GRADES)
    for name, node in graph.nodes.items():
        grades = [node.grade, *(weakest[ref.node] for ref in node.inputs)]
        weakest[name] = max(grades, key=order.index)
    return [
        {"of": str(goal.of)[1:], "to": goal.to, "grade": weakest[goal.of.node]}
        for goal in graph.goals
        if isinstance(goal, Output)
    ]

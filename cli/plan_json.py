"""A plan as plain data for tools: the schema of `fusec plan --json`."""

from __future__ import annotations

from typing import Any

from fusec.compiler.cost import Range
from fusec.compiler.plan import Plan, Task


def plan_json(plan: Plan) -> dict[str, Any]:
    """Amounts are likely values in bytes and seconds, with `[low, high]` beside those that spread."""
    new = [task for task in plan.tasks if task.state == "new"]
    seconds = sum((task.seconds for task in new), Range())
    return {
        "plan": plan.id,
        "spec": plan.spec,
        "grade": plan.grade,
        "rates": plan.rates,
        "params": dict(plan.params),
        "nodes": [_node(task) for task in plan.tasks],
        "totals": {
            "new": len(new),
            "stored": sum(task.state == "stored" for task in plan.tasks),
            "reads_bytes": int(sum(task.cost.reads.likely for task in new)),
            "writes_bytes": int(sum(task.cost.writes.likely for task in new)),
            "seconds": seconds.likely,
            "seconds_range": [seconds.low, seconds.high],
        },
        "budgets": [
            {
                "name": limit.name,
                "limit": limit.limit,
                "planned": limit.planned,
                "unit": limit.unit,
                "tight": limit.tight,
            }
            for limit in plan.limits
        ],
        "passes": [{"name": p.name, "before": p.before, "after": p.after} for p in plan.passes],
        "unpinned": [source.name for source in plan.sources if not source.facts.pinned_by_content],
    }


def _node(task: Task) -> dict[str, Any]:
    """`price` is None: work on this machine costs time, not money."""
    return {
        "name": task.name,
        "verb": task.verb,
        "state": task.state,
        "id": task.id,
        "grade": task.grade,
        "reads_bytes": int(task.cost.reads.likely),
        "writes_bytes": int(task.cost.writes.likely),
        "seconds": task.seconds.likely,
        "seconds_range": [task.seconds.low, task.seconds.high],
        "price": None,
    }

"""A plan as plain data for tools: the schema of `fusec plan --json`."""

from __future__ import annotations

from typing import Any

from fusec.compiler.plan import Plan, Task
from fusec.compiler.reads.planned import PlannedReads


def plan_json(plan: Plan) -> dict[str, Any]:
    """Amounts are likely values in bytes and seconds, with `[low, high]` beside those that spread.

    A price is None where nobody states one; prices are in `currency`.
    """
    new = [task for task in plan.tasks if task.state == "new"]
    prices = [task.money.likely for task in new if task.money is not None]
    return {
        "plan": plan.id,
        "spec": plan.spec,
        "grade": plan.grade,
        "rates": plan.rates,
        "target": plan.target.name if plan.target is not None else None,
        "params": dict(plan.params),
        "nodes": [_node(task) for task in plan.tasks],
        "totals": {
            "new": len(new),
            "stored": sum(task.state == "stored" for task in plan.tasks),
            "reads_bytes": int(sum(task.cost.reads.likely for task in new)),
            "writes_bytes": int(sum(task.cost.writes.likely for task in new)),
            "seconds": plan.wall.likely,
            "seconds_range": [plan.wall.low, plan.wall.high],
            "gpu_hours": sum(task.gpu_hours.likely for task in new),
            "price": sum(prices) if len(prices) == len(new) and plan.target is not None else None,
            "currency": (plan.target.currency or None) if plan.target is not None else None,
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
        "scans": [list(names) for names in plan.scans],
        "passes": [{"name": p.name, "before": p.before, "after": p.after} for p in plan.passes],
        "packages": [{"name": p.name, "version": p.version, "sha256": p.sha256} for p in plan.packages],
        "unpinned": [source.name for source in plan.sources if not source.facts.pinned_by_content],
    }


def _node(task: Task) -> dict[str, Any]:
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
        "gpus": task.place.ask.gpus if task.place is not None else 0,
        "price": task.money.likely if task.money is not None else None,
        **({"expert_reads": _reads(task.reads)} if task.reads is not None else {}),
    }


def _reads(reads: PlannedReads) -> dict[str, Any]:
    """What a merge under a budget reads, and how far that is from reading everything."""
    certificate = reads.certificate
    return {
        "bytes": reads.physical,
        "full_bytes": reads.full,
        "error": certificate.error,
        "error_of_update": certificate.of_update,
        "exact": certificate.tight,
        "update": certificate.update,
        "cast": certificate.cast,
        "slack": reads.slack,
        "digest": reads.digest,
    }

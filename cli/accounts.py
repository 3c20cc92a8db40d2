"""The merges of plans and of runs that read under a budget, with the names of their experts."""

from __future__ import annotations

from fusec.compiler.identity import plain
from fusec.compiler.plan import Plan
from fusec.compiler.reads.account import Account, experts_in_order
from fusec.runtime.manifest import Manifest


def accounts_of_plan(plan: Plan) -> dict[str, Account]:
    """By name, as far as the plan knows what is read."""
    ids = {task.name: task.id for task in plan.tasks}
    graph, names = plan.graph(), {id: name for name, id in ids.items()}
    return {
        task.name: Account(
            task.reads, experts_in_order(plain(graph.nodes[task.name].slot("experts"), ids), names)
        )
        for task in plan.tasks
        if task.reads is not None
    }


def names_in(manifest: Manifest, plan: Plan | None) -> dict[str, str]:
    """Names of results and sources by identity; sources are named in the plan alone."""
    named = {task.id: task.name for task in plan.tasks} if plan is not None else {}
    return {node.id: node.name for node in manifest.nodes} | named


def accounts_of_run(manifest: Manifest, plan: Plan | None) -> dict[str, Account]:
    """By name; without its plan, sources go by their ids."""
    names = names_in(manifest, plan)
    return {
        node.name: Account(node.reads, experts_in_order(node.slots["experts"], names))
        for node in manifest.nodes
        if node.reads is not None
    }

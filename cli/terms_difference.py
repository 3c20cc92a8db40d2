"""What differs in the terms of two plans: limits of the budget, and the target with its prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fusec.compiler.budget import amount_text
from fusec.compiler.plan import PlannedLimit, PlannedTarget
from fusec.runtime.manifest import LimitRecord

Limits = Iterable[PlannedLimit | LimitRecord]


def limit_differences(old: Limits, new: Limits) -> Iterator[str]:
    """`~ budget cost: 5.00 USD -> 8.00 USD`, and those that only one has."""
    before, after = _limits(old), _limits(new)
    for name, limit in after.items():
        if name not in before:
            yield f"+ budget {name}: {limit}"
        elif before[name] != limit:
            yield f"~ budget {name}: {before[name]} -> {limit}"
    for name in before.keys() - after.keys():
        yield f"- budget {name}: {before[name]}"


def _limits(limits: Limits) -> Mapping[str, str]:
    return {limit.name: amount_text(limit.limit, limit.unit) for limit in limits}


def target_text(target: PlannedTarget | None) -> str:
    """`cluster (ray)`, `small (local, 2 cpus)`, `this machine`."""
    if target is None:
        return "this machine"
    cpus = f", {target.cpus} cpu{'s' * (target.cpus != 1)}" if target.cpus else ""
    return f"{target.name} ({target.kind}{cpus})"

"""From a checked spec to a plan that fits its budget and its target."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import click

from fusec.cli.checking import tell
from fusec.compiler.plan import Plan
from fusec.compiler.step import Grade
from fusec.compiler.typed import TypedTarget
from fusec.runtime.session import Checked, Session, stored_ids


@dataclass(frozen=True)
class Wish:
    """What shall be planned besides the spec: results, a target, passes to leave out or add, a grade."""

    only: tuple[str, ...] = ()
    target: str | None = None
    without: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    grade: Grade | None = None


def find_target(checked: Checked, name: str | None) -> TypedTarget | None:
    """The target of that name; ends the command when the spec declares no such target (FUSE101)."""
    if name is None or name in checked.typed.targets:
        return None if name is None else checked.typed.targets[name]
    from fusec.lang.codes.fuse101_unknown_name import UnknownName
    from fusec.lang.source import Source

    known = tuple((target.name, target.expr.span) for target in checked.typed.targets.values())
    tell([UnknownName(name=name, at=Source("--target", name).span(0, len(name)), known=known)])
    raise click.exceptions.Exit(1)


def on_target(checked: Checked, name: str) -> Checked:
    """The spec with what keeps its steps from running on a target, nothing being stored yet."""
    from fusec.compiler.fitting import misplaced
    from fusec.compiler.lower import lower
    from fusec.compiler.passes.prune_goals import prune_goals

    target = find_target(checked, name)
    assert target is not None
    needed = prune_goals(lower(checked.typed)).nodes
    steps = (checked.typed.steps[node] for node in needed)
    return replace(checked, problems=(*checked.problems, *misplaced(checked.typed, steps, target)))


def require_fit(session: Session, checked: Checked, plan: Plan, wish: Wish, stored: Container[str]) -> None:
    """Tells what the plan does not fit into; ends the command where it exceeds budget, target or grade."""
    from fusec.compiler.fitting import unfit
    from fusec.compiler.remedies import Remedies

    def replan(text: str, settings: Mapping[str, str]) -> Plan | None:
        other = session.check_text(text, settings)
        return None if other.failed else plan_beside(session, other, wish, stored)

    remedies = Remedies(checked.source, session.settings, checked.typed, replan)
    problems = unfit(checked.typed, plan, find_target(checked, wish.target), remedies)
    if wish.grade is not None:
        from fusec.compiler.grades import below

        problems += below(checked.typed, plan.graph(), checked.source, wish.grade)
    tell(problems)
    if any(problem.level == "error" for problem in problems):
        raise click.exceptions.Exit(1)


def make(session: Session, checked: Checked, wish: Wish) -> Plan:
    """The plan against what the store holds, within its limits; neither makes a store nor changes one."""
    stored = stored_ids(session.store_path)
    find_target(checked, wish.target)
    plan = plan_beside(session, checked, wish, stored)
    require_fit(session, checked, plan, wish, stored)
    return plan


def plan_beside(
    session: Session,
    checked: Checked,
    wish: Wish,
    stored: Container[str],
    *,
    draft: bool = False,
    after: str | None = None,
) -> Plan:
    """The plan against stored results, whether it fits or not; `draft` and `after` as of `Session.plan`."""
    return session.plan(
        checked,
        stored=stored,
        only=wish.only,
        without=wish.without,
        added=wish.added,
        target=wish.target,
        draft=draft,
        after=after,
    )

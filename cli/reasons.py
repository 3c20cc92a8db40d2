"""Why results run: a checked spec against the runs that its store remembers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from fusec.cli.changes import Cause, Version, causes, version_of
from fusec.cli.opening import open_store
from fusec.cli.query.items import is_called, without_keys
from fusec.compiler.ir import Keep
from fusec.compiler.plan import Plan, decode_plan
from fusec.compiler.rowpass import passed_through
from fusec.compiler.slots import Input
from fusec.compiler.typed import Typed
from fusec.lang.diagnostics import closest
from fusec.runtime.catalog import RunRow
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Checked, Session
from fusec.runtime.store import Store

State = Literal["outside", "stored", "changed", "lost", "fused", "unfinished", "never"]
"""`outside`: used where it lies. `lost`: made once, no longer in the store. `fused`: done in one pass with
what came of it, and not stored. `unfinished`: the same work was planned, and its run ended before it.
`never`: no run had it."""


class Told(NamedTuple):
    """A cause with where the spec says it now, and the parameters it came through."""

    cause: Cause
    at: str
    params: tuple[str, ...]


class Reason(NamedTuple):
    """The answer for one node. `run` is the run that it is told against, or that made what is stored.

    `within` is the result of the pass that did it, for what is `fused`.
    `pinned` is false while a source that changed is known by its headers only.
    """

    node: str
    state: State
    id: str
    run: str | None = None
    causes: tuple[Told, ...] = ()
    pinned: bool = True
    within: str = ""


class _Past(NamedTuple):
    row: RunRow
    plan: Plan
    version: Version


def reasons(session: Session, checked: Checked, node: str) -> list[Reason]:
    """One answer for a node, one for each member of a family. Raises `RunError` for an unknown name."""
    names = _meant(checked.typed, node, session)
    plan = session.plan(checked, only=tuple(names))
    now = version_of(plan.graph())
    # Equal steps are one node, so the name it has in the graph may be that of its twin.
    twins = [goal.of.node for goal in now.graph.goals if isinstance(goal, Keep)]
    if not (session.store_path / "objects").is_dir():
        return [_without_store(name, now, twin) for name, twin in zip(names, twins, strict=True)]
    with open_store(session.store_path) as store:
        return [
            _reason(store, session, checked, plan, now, name, twin)
            for name, twin in zip(names, twins, strict=True)
        ]


def _meant(typed: Typed, node: str, session: Session) -> list[str]:
    """The steps that a name means: one, the members of a family, or those behind another name for them."""
    found = [name for name in typed.steps if is_called(name, node)]
    named = dict(_named_results(typed.values))
    found = found or [named[name] for name in named if is_called(name, node)]
    if not found:
        near = closest(node, {*typed.steps, *named, *map(without_keys, typed.steps)})
        hint = f"close to `{near}`" if near else f"`fusec query {session.spec}` lists everything"
        raise RunError(f"no result of {session.spec} is called `{node}`", hint=hint)
    return list(dict.fromkeys(found))


def _named_results(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every name of a result with the step that makes it."""
    for name, value in values.items():
        if isinstance(value, Input):
            yield name, value.ref.node
        elif isinstance(value, dict):
            for key, member in value.items():
                if isinstance(member, Input):
                    yield f"{name}[{key}]", member.ref.node


def _is_outside(verb: str) -> bool:
    return verb.startswith("source.") and verb != "source.data"


def _without_store(name: str, now: Version, twin: str) -> Reason:
    state: State = "outside" if _is_outside(now.graph.nodes[twin].verb) else "never"
    return Reason(name, state, now.ids[twin])


def _reason(
    store: Store, session: Session, checked: Checked, plan: Plan, now: Version, name: str, twin: str
) -> Reason:
    id = now.ids[twin]
    if _is_outside(now.graph.nodes[twin].verb):
        return Reason(name, "outside", id)
    if store.has(id):
        row = store.catalog.object(id)
        return Reason(name, "stored", id, row.run if row else None)
    past = _nearest(store, session.spec.name, now, twin)
    if past is None:
        return Reason(name, "never", id)
    if past.version.ids[twin] == id:
        within = passed_through(past.plan.graph()).get(twin, "")
        state: State = "unfinished" if not past.row.manifest else "fused" if within else "lost"
        return Reason(name, state, id, past.row.id, within=within)
    loose = {source.name for source in plan.sources if not source.facts.pinned_by_content}
    told = [_told(checked.typed, plan, past.plan, cause) for cause in causes(past.version, now, twin)]
    pinned = not any(t.cause.change.what == "content" and t.cause.node in loose for t in told)
    return Reason(name, "changed", id, past.row.id, tuple(told), pinned)


def _nearest(store: Store, spec: str, now: Version, node: str) -> _Past | None:
    """The last run of this spec that had the node, else the run of another with most of the same results."""
    rows = store.catalog.runs()
    for row in (row for row in rows if row.spec == spec):
        past = _past(store, row)
        if past is not None and node in past.version.ids:
            return past
    others = (_past(store, row) for row in rows if row.spec != spec)
    having = [past for past in others if past is not None and node in past.version.ids]
    wanted = set(now.ids.values())
    return max(having, key=lambda past: len(wanted & set(past.version.ids.values())), default=None)


def _past(store: Store, row: RunRow) -> _Past | None:
    """None for a run that was killed before its plan was written whole: it made nothing."""
    try:
        plan = decode_plan((store.run_folder(row.id) / "plan").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return _Past(row, plan, version_of(plan.graph()))


def _told(typed: Typed, now: Plan, before: Plan, cause: Cause) -> Told:
    step = typed.steps[cause.node]
    slot = cause.change.slot.partition(".")[0]
    at = step.written.get(slot)
    words = set(re.findall(r"\w+", at.text)) if at else {slot} & {"seed"}
    was, is_now = dict(before.params), dict(now.params)
    params = tuple(name for name in is_now if name in words and was.get(name) != is_now[name])
    place = at or step.at
    return Told(cause, f"{place.source.name}:{place.position.line}", params)

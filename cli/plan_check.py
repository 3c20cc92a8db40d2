"""What the world is like now against a saved plan: all that would make its run another one, in words.

Files are read only where neither their stamp nor their size tells whether they are still what was pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from fusec import __version__
from fusec.cli import terminal
from fusec.cli.checking import open_spec
from fusec.cli.columns import wrapped
from fusec.cli.plan_difference import differences
from fusec.cli.planning import Wish, find_target, plan_beside, stored_ids
from fusec.cli.reads_difference import reads_differences
from fusec.cli.sides import Side
from fusec.cli.terms_difference import limit_differences, target_text
from fusec.compiler.facts import SourceRequest
from fusec.compiler.packages import PackageProblem
from fusec.compiler.plan import Plan
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session, read_plan

DIFFERS = 2


def show_check(
    against: Path, spec: Path, settings: Mapping[str, str], store: Path | None, wish: Wish, *, as_json: bool
) -> int:
    """Says what keeps a saved plan from running as it was planned; 2 if anything does.

    Without a target the spec is planned for that of the saved plan, where it still declares it.
    """
    saved = read_plan(against)
    lines, now = list(_packages(saved)), None
    if not lines:  # a spec cannot be typed without the packages that it needs
        session, checked = open_spec(spec, settings, store)
        if wish.target is None and saved.target is not None and saved.target.name in checked.typed.targets:
            wish = replace(wish, target=saved.target.name)
        find_target(checked, wish.target)
        now = plan_beside(session, checked, wish, stored_ids(session.store_path))
        lines = list(_differences(saved, now, session))
    if as_json:
        answer = {"equal": not lines, "plan": saved.id, "now": now and now.id, "differences": lines}
        click.echo(msgspec.json.encode(answer).decode())
    elif now is None:
        click.echo(f"{against}: plan {saved.id[:8]} cannot run here")
    elif now.id != saved.id:
        click.echo(f"{against}: plan {saved.id[:8]} differs from {now.id[:8]}")
    else:
        click.echo(
            f"{against}: the same plan {now.id[:8]}{', and what it was made for changed' * bool(lines)}"
        )
    if lines and not as_json:
        click.echo("\n".join(wrapped(line, terminal.width()) for line in lines))
    return DIFFERS if lines else 0


def _packages(saved: Plan) -> Iterator[str]:
    if not saved.packages:
        return
    from fusec.runtime.extensions import installed

    for pin in saved.packages:
        found = installed(pin.name)
        if isinstance(found, PackageProblem):
            yield f"- package {pin.short}: {found.what}"
        elif found.pin != pin:
            yield f"~ package {pin.short} -> {found.pin.short}"


def _differences(saved: Plan, now: Plan, session: Session) -> Iterator[str]:
    """Nothing for layout, names, and results that the store has got since."""
    if saved.fusec != __version__:
        yield f"~ fusec: {saved.fusec or 'an older one'} -> {__version__}"
    yield from differences(saved, now)
    yield from limit_differences(saved.limits, now.limits)
    yield from reads_differences(Side("plan", saved), Side("plan", now))
    was, is_now = target_text(saved.target), target_text(now.target)
    if was != is_now:
        yield f"~ target: {was} -> {is_now}"
    else:
        yield from _moved(saved, now)
    yield from _lost(saved, now)
    yield from _changed_sources(saved, now, session)


def _moved(saved: Plan, now: Plan) -> Iterator[str]:
    """Steps that both would compute, for which the target now has another place."""
    places = {task.id: task.place for task in saved.tasks if task.state == "new"}
    for task in now.tasks:
        if task.state == "new" and task.id in places and task.place != places[task.id]:
            yield f"~ target: `{task.name}` has another place on it now"


def _lost(saved: Plan, now: Plan) -> Iterator[str]:
    """Results that the plan found in the store, that it needs, and that are there no more."""
    states = {task.id: task.state for task in now.tasks}
    for task in saved.tasks:
        if task.state == "stored" and states.get(task.id) == "new":
            yield f"- {task.name}: its result was in the store and is gone; it would be computed"


def _changed_sources(saved: Plan, now: Plan, session: Session) -> Iterator[str]:
    from fusec.runtime.catalog import Catalog
    from fusec.runtime.sources import file_sha256, require_unchanged

    path = session.store_path / "catalog.db"
    catalog = Catalog(path) if path.is_file() else None
    needed, pins = _needed(now), {source.request: source.facts.pin for source in now.sources}
    try:
        for source in saved.sources:
            request, facts = source.request, source.facts
            if not facts.pinned_by_content or pins.get(request, facts.pin) != facts.pin:
                continue  # its headers, or its new pin, are part of the graphs that were compared
            digest = file_sha256 if catalog is None else catalog.file_digest
            try:
                require_unchanged(request, facts, base=session.base, digest=digest)
            except RunError as error:
                yield f"~ source {source.name}: {error.what.removeprefix('FUSE402: ')}"
            else:
                if source.name in needed and (problem := _missing(request, session.base)):
                    yield f"- source {source.name}: {problem}"
    finally:
        if catalog is not None:
            catalog.close()


def _needed(plan: Plan) -> set[str]:
    """The nodes that steps to compute take, and these steps."""
    new, graph = {task.name for task in plan.tasks if task.state == "new"}, plan.graph()
    return new | {ref.node for name in new for ref in graph.nodes[name].inputs}


def _missing(request: SourceRequest, base: Path) -> str:
    from fusec.runtime.sources.locate import is_remote, locate
    from fusec.runtime.sources.problems import Unusable

    if request.is_endpoint or is_remote(request):
        return ""
    try:
        locate(request, base)
    except Unusable as unusable:
        return unusable.problem.what
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    return ""

"""`fusec run`: a spec or a saved plan, carried out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusec.cli import terminal
from fusec.cli.options import (
    PATH,
    base_option,
    json_option,
    only_option,
    passes_options,
    require_option,
    set_option,
    store_option,
    target_option,
)
from fusec.runtime.kernel import RunError

if TYPE_CHECKING:
    from fusec.cli.planning import Wish
    from fusec.compiler.plan import Plan
    from fusec.compiler.step import Grade
    from fusec.runtime.executors.options import Options
    from fusec.runtime.store import Store

CLOSED, FAILED = 3, 4


@click.command(short_help="Run a spec or a saved plan.")
@click.argument("what", metavar="SPEC|PLAN", type=PATH)
@set_option
@target_option
@only_option
@require_option
@store_option
@base_option("the folder of the spec or plan")
@click.option("--no-gate", is_flag=True, help="Publish outputs even where a check fails, and record it.")
@click.option("--analyze", is_flag=True, help="Let merges that read everything measure it for the catalog.")
@passes_options
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to compute with.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where to train and score; cpu by default."
)
@json_option
def command(
    what: Path,
    settings: dict[str, str],
    target: str | None,
    only: tuple[str, ...],
    require: Grade | None,
    store: Path | None,
    base: Path | None,
    no_gate: bool,
    analyze: bool,
    without: frozenset[str],
    added: frozenset[str],
    threads: int | None,
    device: str | None,
    as_json: bool,
) -> int:
    """Run a spec: pin its sources, compute what the store lacks, decide the checks, publish the outputs.

    A spec ends in `.fuse`; anything else is a saved plan (`fusec plan -o FILE`) and runs as it was
    planned. Its relative paths start at the folder the plan file lies in, unless --base names another;
    its sources must be pinned (`fusec lock`).

    With --analyze, a merge that reads its models whole leaves behind what `fusec catalog analyze --base`
    would have found out, without reading anything twice. It takes more processor time, so it is off.

    Example: fusec run specs/quickstart.fuse --set steps=20 --threads 2
    """
    from fusec.cli.quiet import quiet_libraries

    quiet_libraries()
    from fusec.cli.planning import Wish
    from fusec.runtime.executors.options import Options

    options = Options(gate=not no_gate, threads=threads, analyze=analyze)
    if device is not None:
        options = replace(options, device=device)
    if what.suffix != ".fuse":
        if settings or only or target is not None or without or added:
            raise click.UsageError(
                "--set, --only, --target, --with and --without choose what is planned: "
                "give them to `fusec plan`"
            )
        return _run_saved(what, require, store, base, options, as_json)
    wish = Wish(only, target, without, added, require)
    return _run_spec(what, settings, wish, store, base, options, as_json)


def _run_spec(
    spec: Path,
    settings: dict[str, str],
    wish: Wish,
    root: Path | None,
    base: Path | None,
    options: Options,
    as_json: bool,
) -> int:
    from fusec.cli.checking import counted, open_spec, tell
    from fusec.cli.planning import find_target, require_fit
    from fusec.runtime.executors.local import require_here
    from fusec.runtime.preparing import Stored, prepare
    from fusec.runtime.store import Store

    session, checked = open_spec(spec, settings, root)
    target = find_target(checked, wish.target)
    if target is not None:
        require_here(target.name, target.value.name)
    store = Store(session.store_path)
    try:
        ready = prepare(
            session,
            checked,
            store,
            wish.only,
            wish.target,
            without=wish.without,
            added=wish.added,
        )
        if ready.pinned:
            typed, new = ready.checked.typed, set(ready.pinned)
            sources, packages = len(typed.sources.keys() & new), len(typed.packages.keys() & new)
            count = counted(sources, packages) if sources or packages else "the used files"
            terminal.note(f"pinned {count} by content in {session.lock_path}")
        if ready.checked.failed:
            tell(ready.checked.problems)
            return 1
        require_fit(session, ready.checked, ready.plan, wish, Stored(store))
        return _carry_out(ready.plan, store, base or session.base, options, as_json)
    finally:
        store.close()


def _run_saved(
    path: Path,
    require: Grade | None,
    root: Path | None,
    base: Path | None,
    options: Options,
    as_json: bool,
) -> int:
    from fusec.compiler.step import GRADES
    from fusec.runtime.session import read_plan, unpinned
    from fusec.runtime.store import Store

    plan = read_plan(path)
    loose = unpinned(plan)
    if loose:
        raise RunError(
            f"FUSE403: {path} was planned before {', '.join(f'`{name}`' for name in loose)} had been pinned",
            hint=f"pin the sources with `fusec lock {plan.spec}` and plan again",
        )
    if require is not None and GRADES.index(plan.grade) > GRADES.index(require):
        raise RunError(
            f"FUSE405: what {path} makes is {plan.grade}, {require} is required",
            hint=f"`fusec plan {plan.spec} --require {require}` shows which step it is",
        )
    base = base or path.resolve().parent
    store = Store(root or base / ".fusec")
    try:
        return _carry_out(plan, store, base, options, as_json)
    finally:
        store.close()


def _carry_out(plan: Plan, store: Store, base: Path, options: Options, as_json: bool) -> int:
    """Show the plan, run it, show what came out."""
    from fusec.cli.plan_text import plan_text
    from fusec.cli.progress import progress
    from fusec.cli.results import results_json, results_text, shown_path
    from fusec.runtime.executors.local import run_plan

    if not as_json:
        click.echo(plan_text(plan, width=terminal.width()) + "\n")
    try:
        with progress(quiet=as_json) as listeners:
            ran = run_plan(plan, store, base, replace(options, listeners=listeners))
    except RunError as error:
        terminal.error(error.what, error.hint)
        return FAILED
    path = shown_path(ran.path)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(results_json(ran.manifest, path)).decode())
    else:
        click.echo("\n" + results_text(ran.manifest, path, store.root))
    return CLOSED if ran.closed else 0

"""`fusec check`: whether a spec can work, from its text and the headers of its sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from fusec.cli.options import set_option, spec_argument, target_option


@click.command(short_help="Check whether a spec can work.")
@spec_argument
@set_option
@target_option
@click.option("--deny", metavar="CODE", multiple=True, help="Count this warning or hint as an error.")
@click.option("--format", "form", type=click.Choice(("human", "json")), default="human", help="How to print.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--fix", is_flag=True, help="Apply every fix marked [safe] to SPEC, then check it.")
@click.option(
    "--diff", is_flag=True, help="With --fix: print a patch, write nothing; exit 2 if it cures all."
)
def command(
    spec: Path,
    settings: dict[str, str],
    target: str | None,
    deny: tuple[str, ...],
    form: str,
    fix: bool,
    diff: bool,
) -> int:
    """Check a spec: types, units, columns, weight spaces. Runs nothing and reads no weights.

    With --fix the exit code tells of the problems that remain.

    Example: fusec check specs/quickstart.fuse --set steps=20 --deny 108
    """
    from fusec.cli.checking import level_of, tally, tell
    from fusec.lang.render import as_json, in_order
    from fusec.runtime.session import Session

    denied = {code if code.startswith("FUSE") else f"FUSE{code}" for code in map(str.upper, deny)}
    _require_known(denied)
    if diff and not fix:
        raise click.UsageError("--diff goes with --fix")
    session = Session(spec, settings)
    mended = None
    if fix:
        from fusec.cli.mending import mend_spec, mended_json, show_mended

        mended = mend_spec(session, write=not diff)
    found = session.check() if mended is None else session.check_text(mended.text, settings)
    if target is not None and not found.failed:
        from fusec.cli.planning import on_target

        found = on_target(found, target)
    if "FUSE403" in denied:
        found = replace(found, problems=(*found.problems, *session.not_pinned(found)))
    failed = found.failed or any(problem.code in denied for problem in found.problems)
    code = 1 if failed else 2 * bool(diff and mended is not None and mended.done)
    if form == "json":
        import msgspec

        problems = [as_json(p, level_of(p, denied)) for p in in_order(found.problems)]
        answer: dict[str, object] = {"spec": str(spec), "ok": not failed, "problems": problems}
        if mended is not None:
            answer["fixed"] = mended_json(mended)
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
        return code
    if mended is not None and mended.done:
        show_mended(spec, mended, as_diff=diff)
    tell(found.problems, denied)
    if not failed and not diff:
        steps = len(found.typed.steps)
        said = f" ({tally(found.problems)})" if found.problems else ""
        click.echo(f"{spec}: fine, {steps} step{'s' * (steps != 1)}{said}")
    return code


def _require_known(codes: set[str]) -> None:
    """A misspelt code would deny nothing and say nothing."""
    if codes:
        from fusec.lang.diagnostics import all_codes

        unknown = sorted(codes - all_codes().keys())
        if unknown:
            raise click.BadParameter(f"there is no diagnostic {unknown[0]}", param_hint="--deny")

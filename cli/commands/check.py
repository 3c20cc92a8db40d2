"""`fusec check`: whether a spec can work, from its text and the headers of its sources."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli.options import set_option, spec_argument


@click.command(short_help="Check whether a spec can work.")
@spec_argument
@set_option
@click.option("--deny", metavar="CODE", multiple=True, help="Count this warning or hint as an error.")
@click.option("--format", "form", type=click.Choice(("human", "json")), default="human", help="How to print.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def command(spec: Path, settings: dict[str, str], deny: tuple[str, ...], form: str) -> int:
    """Check a spec: types, units, columns, weight spaces. Runs nothing and reads no weights.

    Example: fusec check specs/quickstart.fuse --set steps=20 --deny 108
    """
    from fusec.cli.checking import tally, tell
    from fusec.lang.render import as_json, in_order
    from fusec.runtime.session import Session

    denied = {code if code.startswith("FUSE") else f"FUSE{code}" for code in map(str.upper, deny)}
    _require_known(denied)
    found = Session(spec, settings).check()
    failed = found.failed or any(problem.code in denied for problem in found.problems)
    if form == "json":
        import msgspec

        problems = [as_json(problem) for problem in in_order(found.problems)]
        answer = {"spec": str(spec), "ok": not failed, "problems": problems}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
        return int(failed)
    tell(found.problems, denied)
    if not failed:
        steps = len(found.typed.steps)
        said = f" ({tally(found.problems)})" if found.problems else ""
        click.echo(f"{spec}: fine, {steps} step{'s' * (steps != 1)}{said}")
    return int(failed)


def _require_known(codes: set[str]) -> None:
    """A misspelt code would deny nothing and say nothing."""
    if codes:
        from fusec.lang.diagnostics import all_codes

        unknown = sorted(codes - all_codes().keys())
        if unknown:
            raise click.BadParameter(f"there is no diagnostic {unknown[0]}", param_hint="--deny")

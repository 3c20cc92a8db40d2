"""`fusec verify`: whether outputs and stored results still hold the bytes that a manifest names."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli.options import PATH, base_option, json_option


@click.command(short_help="Hash outputs and results again.")
@click.argument("manifest", type=PATH)
@base_option("the folder of the store")
@json_option
def command(manifest: Path, base: Path | None, as_json: bool) -> int:
    """Hash published outputs and stored results again; exit 2 if one is missing or changed.

    Example: fusec verify .fusec/runs/20260101-120000-abcdef/manifest.json
    """
    from fusec.runtime.verify import verify_run

    verified = verify_run(manifest, base)
    if as_json:
        import msgspec

        answer = {
            "equal": not verified.problems,
            "outputs": verified.outputs,
            "results": verified.results,
            "problems": list(verified.problems),
        }
        click.echo(msgspec.json.encode(answer).decode())
    elif verified.problems:
        click.echo("\n".join(f"  {problem}" for problem in verified.problems))
    else:
        click.echo(
            f"  {verified.outputs} outputs and {verified.results} results hold what the manifest names"
        )
    return 2 if verified.problems else 0

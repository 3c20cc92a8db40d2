"""`fusec show`: one run, estimates beside what it took."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli import terminal
from fusec.cli.options import json_option, store_option


@click.command(short_help="Show a run, estimates beside actuals.")
@click.argument("run", metavar="RUN|MANIFEST")
@click.option("--origin", metavar="TENSOR", help="Which blocks of a merged tensor come from which experts.")
@store_option
@json_option
def command(run: str, origin: str | None, store: Path | None, as_json: bool) -> int:
    """Show one run: its results, and what was estimated beside what it took.

    RUN is the name of a run or the beginning of one; it is looked up in the store, `.fusec` in the current
    folder by default. With --origin only where the blocks of one tensor come from.

    Example: fusec show 20260101-120000-abcdef --store specs/.fusec
    """
    from fusec.runtime.manifest import load_manifest

    path = _manifest(run, store)
    manifest = load_manifest(path)
    if origin is not None:
        from fusec.cli.origin import show_origin

        return show_origin(path, manifest, origin, as_json=as_json)
    if as_json:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
        return 0
    from fusec.cli.reads_text import ran_text
    from fusec.cli.results import results_text, shown_path
    from fusec.cli.run_text import run_text

    click.echo(run_text(manifest, terminal.width()))
    merges = ran_text(manifest)
    if merges:
        click.echo("\n" + merges)
    click.echo("\n" + results_text(manifest, shown_path(path), path.resolve().parent.parent.parent))
    return 0


def _manifest(run: str, store: Path | None) -> Path:
    """The manifest that is meant: a path, or a run of the store by the beginning of its name."""
    from fusec.cli.opening import open_store
    from fusec.runtime.kernel import RunError
    from fusec.runtime.runs import MANIFEST

    path = Path(run)
    if path.is_file():
        return path
    if (path / MANIFEST).is_file():
        return path / MANIFEST
    with open_store(store) as opened:
        rows = [row for row in opened.catalog.runs() if row.id.startswith(run)]
        if len(rows) != 1:
            said = f"{len(rows)} runs begin with `{run}`" if rows else f"no run begins with `{run}`"
            raise RunError(f"{said} in {opened.root}", hint="`fusec runs` lists them")
        manifest = opened.run_folder(rows[0].id) / MANIFEST
    if not manifest.is_file():
        raise RunError(
            f"run {rows[0].id} left no manifest: it is {rows[0].state}",
            hint=f"its events are in {manifest.with_name('events.jsonl')}",
        )
    return manifest

"""`fusec ir`: graphs as text, checked, and one pass of the optimizer alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusec.cli.options import PATH
from fusec.runtime.kernel import RunError

if TYPE_CHECKING:
    from fusec.compiler.passes.text import Given


@click.command(short_help="Check a graph in text, or run one pass on it.")
@click.argument("words", metavar="[check] FILE", nargs=-1, type=PATH)
@click.option("--pass", "name", metavar="PASS", help="The optimizer pass to run; `fusec explain PASS`.")
def command(words: tuple[Path, ...], name: str | None) -> int:
    """Read a graph from text, as `fusec plan --ir` prints it, and print what one pass makes of it.

    Lines `given stored(%a, %b)`, `given expert_reads(24000)` (bytes) and `given apart()` (several machines)
    say what a pass may know besides the graph; lines `found ...` say what it decided. `fusec ir check FILE`
    only looks whether FILE is a graph that fusec could run.

    Example: fusec ir --pass cse graph.ir
    """
    *check, file = words or (Path(),)
    if list(map(str, check)) != (["check"] if name is None else []) or not words:
        raise click.UsageError("say `fusec ir check FILE` or `fusec ir --pass PASS FILE`")
    given = _read(file)
    if name is None:
        graph = given.outline.graph
        click.echo(f"{file}: {len(graph.nodes)} nodes, {len(graph.goals)} goals")
        return 0
    from fusec.compiler.passes import BY_NAME
    from fusec.compiler.passes.text import write_outline

    if name not in BY_NAME:
        raise click.UsageError(f"there is no pass `{name}`; there are {', '.join(BY_NAME)}")
    click.echo(write_outline(BY_NAME[name].run(*given)), nl=False)
    return 0


def _read(file: Path) -> Given:
    """The graph in a file, every node of which is a step that fusec knows."""
    from fusec.compiler.irsteps import raise_step
    from fusec.compiler.irtext import IrError
    from fusec.compiler.passes.outline import types_of
    from fusec.compiler.passes.text import read_outline
    from fusec.compiler.step import COMMON, find_verb

    try:
        given = read_outline(file.read_text(encoding="utf-8"))
    except IrError as error:
        raise RunError(f"{file}:{error.line}: {error.reason}") from None
    except UnicodeDecodeError:
        raise RunError(f"{file} is not text", hint="`fusec plan SPEC --ir` prints a graph") from None
    types = types_of(given.outline.graph)
    for node in given.outline.graph.nodes.values():
        verb = find_verb(node.verb)
        if verb is None:
            raise RunError(f"{file}: %{node.name} is a `{node.verb}`, which is no verb")
        written, known = {name for name, _ in node.slots}, set(verb.wants()) - set(COMMON)
        for slot in sorted(written ^ known):
            what = "has no" if slot in written else "lacks its"
            raise RunError(f"{file}: %{node.name}: the `{node.verb}` {what} slot `{slot}`")
        try:
            raise_step(node, types)
        except (ValueError, AssertionError, AttributeError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise RunError(f"{file}: %{node.name} is no `{node.verb}`: {reason}") from None
    return given

"""`fusec query`: the declarations and nodes of a spec that a selector means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusec.cli.options import json_option, set_option, spec_argument, store_option

if TYPE_CHECKING:
    from fusec.cli.query.selector import BadSelector
    from fusec.runtime.kernel import RunError
    from fusec.runtime.session import Checked, Session

TYPE_WIDTH = 48


@click.command(short_help="List what a selector means.")
@spec_argument
@click.argument("selector", nargs=-1, metavar="[SELECTOR]")
@set_option
@store_option
@json_option
def command(
    spec: Path, selector: tuple[str, ...], settings: dict[str, str], store: Path | None, as_json: bool
) -> int:
    """List declarations and nodes of a spec by name, kind, verb, state or dependency; all without SELECTOR.

    \b
    expert, expert[code], law.*    by name; `*` is any letters
    model, data, report, param     by kind: also tokenizer, delta, let, target,
                                   budget, check, output
    merge, source                  by verb
    stored, new                    by state in the store
    ancestors(x), descendants(x)   all that x is made from, all made from x
    inputs(x), uses(x)             the same, one step away
    a and b, a b, a or b, not a    sets; parentheses group

    The spec's own names win over kinds, verbs and states; `name:x`, `kind:x`, `verb:x` and `state:x` say
    which is meant. Works as `check` does: from the lock or from headers, without the network.

    Example: fusec query specs/quickstart.fuse "descendants(steps) and model"
    """
    from fusec.cli.checking import open_spec
    from fusec.cli.query.items import items_of
    from fusec.cli.query.select import select
    from fusec.cli.query.selector import BadSelector, parse_selector
    from fusec.lang.parse import parse

    session, checked = open_spec(spec, settings, store)
    items = items_of(checked.typed, parse(checked.source).file)
    try:
        wanted = parse_selector(" ".join(selector) or "*")
        found = select(wanted, items, lambda: _states(session, checked))
    except BadSelector as bad:
        raise _told(bad) from None
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode([item._asdict() for item in found]).decode())
    elif found:
        from fusec.cli.columns import columns, shortened

        rows = [(i.name, i.kind, i.verb or "-", shortened(i.type, TYPE_WIDTH), i.place) for i in found]
        click.echo(columns(rows, indent=0))
    return 0


def _told(bad: BadSelector) -> RunError:
    """The message with the selector and a line under the part that is wrong."""
    from fusec.runtime.kernel import RunError

    line = "^" * max(1, bad.at.end - bad.at.start)
    return RunError(f"{bad.what}\n  {bad.at.source.text}\n  {' ' * bad.at.start}{line}", hint=bad.hint)


def _states(session: Session, checked: Checked) -> Mapping[str, str]:
    """Of each node that makes something: whether the store holds its result."""
    from fusec.cli.planning import stored_ids
    from fusec.compiler.identity import graph_ids
    from fusec.compiler.lower import lower

    graph, stored = lower(checked.typed), stored_ids(session.store_path)
    made = {name: id for name, id in graph_ids(graph).items() if _makes(graph.nodes[name].verb)}
    return {name: "stored" if id in stored else "new" for name, id in made.items()}


def _makes(verb: str) -> bool:
    """Not so where what comes from outside is used where it lies."""
    return not verb.startswith("source.") or verb == "source.data"

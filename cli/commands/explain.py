"""`fusec explain`: the manual page of a diagnostic, a verb, a method or a pass."""

from __future__ import annotations

import click

from fusec.runtime.kernel import RunError


@click.command(short_help="Print the page of a code, verb, method or pass.")
@click.argument("topic", required=False, metavar="CODE|VERB|METHOD|PASS")
def command(topic: str | None) -> int:
    """Print the page of a diagnostic, a verb, a method or an optimizer pass; without a name, list them all.

    Example: fusec explain FUSE301
    """
    from fusec.cli.pages import find_page, index_page, nearest

    if topic is None:
        click.echo(index_page())
        return 0
    page = find_page(topic)
    if page is None:
        near = nearest(topic)
        hint = f"close to `{near}`; " if near else ""
        raise RunError(f"there is no page about `{topic}`", hint=f"{hint}`fusec explain` lists them all")
    click.echo(page)
    return 0

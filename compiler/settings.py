"""Values of parameters that come from outside: texts that know where they stand."""

from __future__ import annotations

from typing import Any

import msgspec

from fusec.lang import tree
from fusec.lang.parse import parse_expr, parse_expr_between
from fusec.lang.source import Source, Span


class Placed(str):
    """The text of a value that stands in a file: where its name and its value are, and who gives it."""

    name_at: Span
    value_at: Span
    given_by: str

    @classmethod
    def at(cls, text: str, name: Span, value: Span, given_by: str) -> Placed:
        placed = cls(text)
        placed.name_at, placed.value_at, placed.given_by = name, value, given_by
        return placed


class Setting(msgspec.Struct, frozen=True):
    """A value from outside: its text, and the expression that the text is (None when it is none).

    `given_by` says how it came: "`--set reads`". In one `from_file`, strings inside lists and maps may be
    other values in quotes.
    """

    text: str
    at: Span
    expr: tree.Expr | None
    given_by: str
    from_file: bool


def on_command_line(name: str, text: str) -> Placed:
    """The text of `--set name=text`, which is a source of its own."""
    source, start = Source("--set", f"{name}={text}"), len(name) + 1
    value = source.span(start, start + len(text))
    return Placed.at(text, source.span(0, len(name)), value, f"`--set {name}`")


def read_setting(placed: Placed, *, from_file: bool) -> Setting:
    """The text as an expression; where the file does not write it so, all of it stands at the whole value."""
    text, at = str(placed), placed.value_at
    expr = read_text(text, at)
    written, failed = parse_expr_between(at.source, at.start, at.end)
    if expr is not None and not failed and tree.dump(written) == tree.dump(expr):
        expr = written
    return Setting(text, at, expr, placed.given_by, from_file)


def read_text(text: str, at: Span) -> tree.Expr | None:
    """`text` as an expression that stands at `at`; None when it is none."""
    expr, failed = parse_expr(Source(at.source.name, text))
    return None if failed else _moved(expr, at)


def _moved(node: Any, at: Span) -> Any:
    if isinstance(node, tree.Node):
        fields = {name: _moved(getattr(node, name), at) for name in node.__struct_fields__ if name != "span"}
        return type(node)(span=at, **fields)
    return tuple(_moved(item, at) for item in node) if isinstance(node, tuple) else node

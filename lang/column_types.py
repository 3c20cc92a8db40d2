"""Types of data columns: `Str`, `List[Int]`, `{input: Str, output: Str}`.

The text form is what lock files, messages and row types in specs use; `parse_column_type` reads it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec


class ColumnType(msgspec.Struct, frozen=True):
    """The type of one column.

    `Null` is a column that never holds a value, `Other` one that passes through untouched (dates,
    decimals, maps) and that no expression can look into. Every type admits missing values.
    """

    name: str
    item: ColumnType | None = None
    fields: tuple[tuple[str, ColumnType], ...] = ()

    def __str__(self) -> str:
        if self.item is not None:
            return f"List[{self.item}]"
        if self.name == "Row":
            return "{" + ", ".join(f"{_label(name)}: {kind}" for name, kind in self.fields) + "}"
        return self.name

    def field(self, name: str) -> ColumnType | None:
        return dict(self.fields).get(name)


STR, INT, FLOAT, BOOL = ColumnType("Str"), ColumnType("Int"), ColumnType("Float"), ColumnType("Bool")
BYTES, NULL, OTHER = ColumnType("Bytes"), ColumnType("Null"), ColumnType("Other")
SCALARS = {kind.name: kind for kind in (STR, INT, FLOAT, BOOL, BYTES, NULL, OTHER)}


def list_of(item: ColumnType) -> ColumnType:
    return ColumnType("List", item=item)


def row_of(*fields: tuple[str, ColumnType]) -> ColumnType:
    return ColumnType("Row", fields=fields)


def unify(a: ColumnType, b: ColumnType) -> ColumnType | None:
    """The narrowest type that holds values of both; None where there is none.

    `Null` gives way to anything, `Int` widens to `Float`, rows take the union of their fields.
    """
    if a == b or b == NULL:
        return a
    if a == NULL:
        return b
    if {a.name, b.name} == {"Int", "Float"}:
        return FLOAT
    if a.item is not None and b.item is not None:
        item = unify(a.item, b.item)
        return None if item is None else list_of(item)
    if a.name == b.name == "Row":
        fields = dict(a.fields)
        for name, kind in b.fields:
            joined = unify(fields.get(name, NULL), kind)
            if joined is None:
                return None
            fields[name] = joined
        return row_of(*fields.items())
    return None


def fits(has: ColumnType, wants: ColumnType) -> bool:
    """Whether a column may stand where another type is asked.

    Types are exact, but for three things: Int fits Float, a row may have more fields than are asked for, and
    `Null` fits everything, since every type admits missing values. A single T never stands for a `List[T]`.
    """
    if has in (wants, NULL) or (has, wants) == (INT, FLOAT):
        return True
    if has.item is not None and wants.item is not None:
        return fits(has.item, wants.item)
    if has.name == wants.name == "Row":
        fields = dict(has.fields)
        return all(name in fields and fits(fields[name], kind) for name, kind in wants.fields)
    return False


def parse_column_type(text: str) -> ColumnType:
    """Reads the text form back; ValueError where `text` is not one."""
    tokens = _tokens(text)
    kind = _parse(tokens, text)
    if next(tokens):
        raise ValueError(f"{text!r} goes on after the type `{kind}`")
    return kind


_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")
_TOKEN = re.compile(r'\s*([A-Za-z_]\w*|"(?:[^"\\]|\\.)*"|[\[\]{}:,])')


def _label(name: str) -> str:
    return name if _IDENTIFIER.match(name) else json.dumps(name, ensure_ascii=False)


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{text!r} is not a column type")
        yield token[1]
        at = token.end()
    while True:
        yield ""


def _parse(tokens: Iterator[str], text: str) -> ColumnType:
    head = next(tokens)
    if head in SCALARS:
        return SCALARS[head]
    if head == "List" and next(tokens) == "[":
        item = _parse(tokens, text)
        if next(tokens) == "]":
            return list_of(item)
    if head == "{":
        return _parse_row(tokens, text)
    raise ValueError(f"{text!r} is not a column type")


def _parse_row(tokens: Iterator[str], text: str) -> ColumnType:
    fields: list[tuple[str, ColumnType]] = []
    token = next(tokens)
    while token != "}":
        name = json.loads(token) if token.startswith('"') else token
        if next(tokens) != ":":
            raise ValueError(f"{text!r} is not a column type")
        fields.append((name, _parse(tokens, text)))
        token = next(tokens)
        if token == ",":
            token = next(tokens)
        elif token != "}":
            raise ValueError(f"{text!r} is not a column type")
    return row_of(*fields)

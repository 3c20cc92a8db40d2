"""Where the names and values of a TOML file stand: the parser of the standard library tells values only."""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

from fusec.lang.source import Source, Span

_WORD = re.compile(
    r"""
    (?P<space>[ \t\r]+|\#[^\n]*)
    |(?P<end>\n)
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<equals>=)
    |(?P<text>\"{3}(?:\\[\s\S]|[^\\])*?\"{3,5}|'{3}[\s\S]*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<plain>[.,]|[^\s\#\[\]{}=."',]+)
    """,
    re.VERBOSE,
)


class Place(NamedTuple):
    """A key of the top level and its value; a table has its key for a value."""

    name: Span
    value: Span


def places(source: Source) -> dict[str, Place]:
    """The place of every key of the top level, where it is met first. `source` is valid TOML."""
    found: dict[str, Place] = {}
    line: list[re.Match[str]] = []
    depth, in_table = 0, False
    for word in (*_WORD.finditer(source.text), None):
        if word is not None and (depth or word.lastgroup != "end"):
            depth += (word.lastgroup == "open") - (word.lastgroup == "close")
            line += [word] if word.lastgroup not in ("space", "end") else []
        elif line:
            is_table = line[0].lastgroup == "open"
            if is_table or not in_table:
                name, place = _place(source, line, is_table)
                found.setdefault(name, place)
            in_table, line = in_table or is_table, []
    return found


def _place(source: Source, line: list[re.Match[str]], is_table: bool) -> tuple[str, Place]:
    key = next(word for word in line if word.lastgroup != "open")
    at = source.span(key.start(), key.end())
    equals = next((number for number, word in enumerate(line) if word.lastgroup == "equals"), None)
    value = at
    if not is_table and equals is not None:
        value = source.span(line[equals + 1].start(), line[-1].end())
    return next(iter(tomllib.loads(f"{key[0]} = 0"))), Place(at, value)

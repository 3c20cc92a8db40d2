"""Types of the IR as text and back, complete: `Model[llama_4c1f9a, bf16, identity: "hf:...", ...]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from fusec.compiler.irvalues import is_name, read_value, unquoted, write_value
from fusec.lang.column_types import parse_column_type, row_of
from fusec.lang.strings import quote
from fusec.lang.types import (
    DataType,
    DeltaType,
    EndpointType,
    MapType,
    ModelType,
    ReportType,
    TokenizerType,
    Type,
    Unknown,
)

_STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
_MARK = re.compile(rf"{_STRING}|[()\[\]{{}},]")
_NAMED = re.compile(rf"(\w+|{_STRING})\s*:\s*(.*)", re.ASCII)
_KIND = re.compile(r"\w+", re.ASCII)
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_SPACE = ("tensors", "params", "bytes", "vocab", "fingerprint")


def write_type(type_: Type) -> str:
    """The text of a type with everything it knows; unknown sizes of data are left out."""
    match type_:
        case ModelType():
            lineage = _named((name, getattr(type_, name)) for name in ("identity", "root", "tokenizer"))
            space = _named((name, getattr(type_.space, name)) for name in _SPACE)
            return f"Model[{_word(type_.space.name)}, {_word(type_.dtype)}, {lineage}, {space}]"
        case DeltaType():
            names = ("identity", "root", "hint", "rank", *("tokenizer",) * bool(type_.tokenizer))
            lineage = _named((name, getattr(type_, name)) for name in names)
            space = _named((name, getattr(type_.space, name)) for name in _SPACE)
            return f"Delta[{_word(type_.space.name)}, {_word(type_.dtype)}, {lineage}, {space}]"
        case EndpointType():
            return f"{type_}[{_named((('identity', type_.identity),))}]"
        case DataType():
            sizes = _named((name, n) for name in ("rows", "bytes") if (n := getattr(type_, name)) >= 0)
            return f"Data[{row_of(*type_.columns)}{', ' * bool(sizes)}{sizes}]"
        case TokenizerType():
            names = ("vocab", "fingerprint") if type_.exact else ("vocab", "exact", "fingerprint")
            return f"Tokenizer[{_named((name, getattr(type_, name)) for name in names)}]"
        case ReportType():
            return f"Report[{_named((('keys', type_.keys), ('scores', type_.scores)))}]"
        case MapType():
            return f"Map[{', '.join(f'{_word(key)}: {write_type(part)}' for key, part in type_.items)}]"
        case Unknown():
            return "Unknown"


def read_type(text: str) -> Type:
    """The type that `text` writes. Raises ValueError with the reason where it is none."""
    if text == "Unknown":
        return Unknown()
    end = type_end(text, 0)
    kind, bracket, _ = text.partition("[")
    if end != len(text) or not bracket:
        raise ValueError(f"`{text}` is not a type")
    parts, _ = enclosed(text, len(kind))
    words = [part for part in parts if not _NAMED.fullmatch(part)]
    named = [named_part(part) for part in parts[len(words) :]]
    if kind == "Map":
        return MapType(tuple((key, _part(part)) for key, part in named))
    facts = {name: read_value(value) for name, value in named}
    try:
        return _from_facts(kind, words, facts)
    except msgspec.ValidationError as error:
        raise ValueError(f"in the type {kind}: {error}") from None


def type_end(text: str, at: int) -> int:
    """The offset behind the type that starts at `at`."""
    kind = _KIND.match(text, at)
    if kind is None:
        raise ValueError("a type is missing")
    return enclosed(text, kind.end())[1] if text.startswith("[", kind.end()) else kind.end()


def enclosed(text: str, at: int) -> tuple[list[str], int]:
    """The parts between commas in the bracket that opens at `at`, and the offset behind it."""
    parts: list[str] = []
    depth, start = 0, at + 1
    for mark in _MARK.finditer(text, at):
        char = mark[0]
        if char in _CLOSERS:
            depth += 1
        elif char == "," and depth == 1:
            parts.append(text[start : mark.start()].strip())
            start = mark.end()
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                if char != _CLOSERS[text[at]]:
                    break
                last = text[start : mark.start()].strip()
                return ([*parts, last] if last or parts else parts), mark.end()
    raise ValueError(f"this `{text[at]}` is never closed")


def named_part(part: str) -> tuple[str, str]:
    """`name: value` as a pair of texts; the name may be a string."""
    found = _NAMED.fullmatch(part)
    if found is None:
        raise ValueError(f"`{part}` lacks a name")
    return unquoted(found[1]), found[2]


def _named(facts: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name}: {write_value(value)}" for name, value in facts)


def _word(text: str) -> str:
    return text if is_name(text) else quote(text)


def _from_facts(kind: str, words: list[str], facts: dict[str, Any]) -> Type:
    match kind, words:
        case "Model", [name, dtype]:
            space = {**facts, "name": unquoted(name)}
            return msgspec.convert({**facts, "dtype": unquoted(dtype), "space": space}, ModelType)
        case "Delta", [name, dtype]:
            space = {**facts, "name": unquoted(name)}
            return msgspec.convert({**facts, "dtype": unquoted(dtype), "space": space}, DeltaType)
        case "Scorer" | "Sampler", []:
            return msgspec.convert({**facts, "logprobs": kind == "Scorer"}, EndpointType)
        case "Data", [columns]:
            sizes = msgspec.convert(facts, dict[str, int])
            return DataType(parse_column_type(columns).fields, sizes.get("rows", -1), sizes.get("bytes", -1))
        case "Tokenizer", []:
            return msgspec.convert(facts, TokenizerType)
        case "Report", []:
            return msgspec.convert(facts, ReportType)
    raise ValueError(f"there is no type {kind}[{', '.join([*words, *facts])}]")


def _part(text: str) -> DataType:
    part = read_type(text)
    if not isinstance(part, DataType):
        raise ValueError(f"`{text}` is not Data")
    return part

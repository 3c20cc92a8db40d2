"""The one way to lay out a spec: no options, idempotent, and the same tree before and after.

Works on tokens, so what the tree forgets (parentheses, comments, how a string is quoted) stays. Brackets
nest into groups; a group or a chain of stages stays on one line when it was written so and fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fusec.lang import pieces
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.items import Group, Item, Part, Remark, Word, comment_text, ends_value, read_declaration
from fusec.lang.lexer import words
from fusec.lang.parse import parse
from fusec.lang.source import Source

WIDTH = 100
_HARMLESS = ("FUSE009", "FUSE010")
_SECTION = re.compile(r"#\s*-{3}")


class DoesNotParse(ValueError):
    """The text has mistakes that a layout could hide; `problems` tells them."""

    def __init__(self, problems: tuple[Diagnostic, ...]) -> None:
        super().__init__(problems[0].title())
        self.problems = problems


def format_source(text: str, name: str = "<text>") -> str:
    """The text in the one layout; raises `DoesNotParse` instead of laying out what it cannot read."""
    source = Source(name, text)
    problems = tuple(p for p in parse(source).problems if p.code not in _HARMLESS)
    if problems:
        raise DoesNotParse(problems)
    return "".join(line + "\n" for line in _file(source))


# --- the file: declarations and the comments between them -----------------------


@dataclass
class _Chunk:
    lines: list[str]
    spaced: bool
    declares: bool


def _file(source: Source) -> list[str]:
    tokens, comments, _ = words(source)
    cut, _ = pieces.cut(source, tokens)
    chunks: list[_Chunk] = []
    at = end = 0
    for piece in [*cut, None]:
        start = piece.tokens[0].start if piece else len(source.text) + 1
        while at < len(comments) and comments[at].start < start:
            remark = comments[at]
            chunks.append(_Chunk([comment_text(source, remark)], _blank(source, end, remark.start), False))
            end, at = remark.end, at + 1
        if piece is None:
            break
        last = piece.tokens[-1]
        inside = at
        line_end = source.text.find("\n", last.end) % (len(source.text) + 1)
        while at < len(comments) and comments[at].start < line_end:
            at += 1
        item = read_declaration(source, piece.tokens, comments[inside:at])
        chunks.append(_Chunk(_declaration(item), _blank(source, end, start), True))
        end = max(last.end, comments[at - 1].end if at > inside else 0)
    return list(_spaced(chunks))


def _spaced(chunks: list[_Chunk]) -> Iterator[str]:
    """The lines of all chunks, with blank lines where a reader takes breath."""
    long_before = False
    owners: list[_Chunk] = []
    later: _Chunk | None = None
    for chunk in reversed(chunks):
        owners.append(chunk if chunk.declares or later is None else later)
        if chunk.declares or chunk.spaced:
            later = chunk
    for i, (chunk, owner) in enumerate(zip(chunks, reversed(owners), strict=True)):
        before = chunks[i - 1] if i else None
        long = owner.declares and len(owner.lines) > 1
        begins = before is not None and (before.declares or chunk.spaced)
        section = any(c and not c.declares and _SECTION.match(c.lines[0]) for c in (before, chunk))
        if before is not None and (chunk.spaced or section or (begins and (long or long_before))):
            yield ""
        yield from chunk.lines
        if chunk.declares:
            long_before = len(chunk.lines) > 1


def _declaration(item: Item) -> list[str]:
    lines = _lay(item, 0)
    if item.behind:
        lines[-1] += f"  {item.behind}"
    return lines


def _blank(source: Source, start: int, end: int) -> bool:
    return source.text.count("\n", start, end) > 1


# --- writing: items into lines --------------------------------------------------


def _lay(item: Item, indent: int, reserve: int = 0) -> list[str]:
    """The lines of an item: the first without its indentation, the others with theirs."""
    stages = _stages(item.parts)
    if len(stages) == 1:
        return _run(item.parts, indent, reserve)
    if not item.split:
        flat = _run(item.parts, indent, reserve)
        if len(flat) == 1 and indent + len(flat[0]) + reserve <= WIDTH:
            return flat
    lines = _run(stages[0], indent, 0)
    for stage in stages[1:]:
        first, *rest = _run(stage, indent + 2, reserve)
        lines += [" " * (indent + 2) + first, *rest]
    return lines


def _stages(parts: list[Part]) -> list[list[Part]]:
    stages: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, Word) and part.kind == "|>":
            stages.append([])
        stages[-1].append(part)
    return stages


def _run(parts: list[Part], indent: int, reserve: int) -> list[str]:
    """One run of words and groups; breaks groups, the last one first, until its own lines fit."""
    groups = [part for part in parts if isinstance(part, Group) and (part.items or part.split)]
    broken = {id(group) for group in groups if group.split}
    while True:
        lines, widest = _write(parts, indent, broken)
        whole = [group for group in groups if id(group) not in broken]
        if widest + reserve <= WIDTH or not whole:
            return lines
        broken.add(id(whole[-1]))


def _write(parts: list[Part], indent: int, broken: set[int]) -> tuple[list[str], int]:
    """The lines of a run, and the width of the widest that is not inside one of its groups."""
    lines: list[str] = []
    now = ""
    widest = 0
    margin = " " * indent

    def end_line() -> None:
        nonlocal now, widest
        widest = max(widest, len(now) + (0 if lines else indent))
        lines.append(now)
        now = ""

    before: Word | Group | None = None
    unary, fresh = False, True
    for part in parts:
        if isinstance(part, Remark):
            if part.own_line and now:
                end_line()
            now = f"{now}  {part.text}" if not part.own_line else f"{margin}  {part.text}"
            lines.append(now)
            now = f"{margin}  "
            fresh = True
            continue
        now += "" if fresh else _gap(before, part, unary)
        fresh = False
        unary = isinstance(part, Word) and part.kind == "ADD" and not (before and ends_value(before))
        before = part
        if isinstance(part, Group) and id(part) in broken:
            now += part.opener
            if part.behind_opener:
                lines.append(f"{now}  {part.behind_opener}")
                now = ""
            else:
                end_line()
            lines += _inside(part, indent + 2)
            now = margin + pieces.CLOSERS[part.opener]
        else:
            first, *rest = (part.text if isinstance(part, Word) else _flat(part)).split("\n")
            now += first
            for line in rest:  # of a long string, whose lines stay as they are
                end_line()
                now = line
    if now.strip():
        end_line()
    return lines, widest


def _inside(group: Group, indent: int) -> list[str]:
    margin = " " * indent
    lines: list[str] = []
    comprehends = any(_is(part, "for") for item in group.items for part in item.parts)
    for item in group.items:
        more = item is not group.items[-1] or (group.listed and not comprehends)
        comma = "," if more and group.opener != "{" else ""
        if item.spaced:
            lines.append("")
        lines += [margin + text for text in item.before]
        first, *rest = _lay(item, indent, len(comma))
        laid = [margin + first, *rest]
        laid[-1] += comma + (f"  {item.behind}" if item.behind else "")
        lines += laid
    return lines + [margin + text for text in group.last_words]


def _flat(group: Group) -> str:
    closer = pieces.CLOSERS[group.opener]
    inside = ", ".join("\n".join(_write(item.parts, 0, set())[0]) for item in group.items)
    if group.opener == "{" and inside:
        return f"{{ {inside} }}"
    return group.opener + inside + closer


def _gap(before: Word | Group | None, part: Word | Group, unary: bool) -> str:
    """The space between two parts of a run."""
    if before is None or unary:
        return ""
    if isinstance(part, Group):
        return " " if part.opener == "{" or not ends_value(before) else ""
    if part.kind in (":", ",", ".", "..") or _is(before, ".") or _is(before, ".."):
        return ""
    return " "


def _is(part: Part, kind: str) -> bool:
    return isinstance(part, Word) and part.kind == kind

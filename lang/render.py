"""Draws a diagnostic for people, and as plain data for tools.

Layout, by example: a title, an arrow to the place, each marked line with `^` under the primary span
and `-` under the others, then the footers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from fusec.lang.diagnostics import Diagnostic, Fix, Level, Mark
from fusec.lang.source import Source, Span

Role: TypeAlias = Literal[
    "error", "warning", "hint", "title", "gutter", "primary", "secondary", "footer", "grade"
]
Paint: TypeAlias = Callable[[Role, str], str]

_GRADE_COLUMN = 71
_TAB = "    "
_LONG_LINE = 1000
_NEAR = 8


def in_order(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By file, place and code: the order a reader goes through them."""

    def key(problem: Diagnostic) -> tuple[str, int, int, str]:
        span = problem.marks()[0].span
        return span.source.name, span.start, span.end, problem.code

    return sorted(problems, key=key)


def render(problem: Diagnostic, paint: Paint | None = None, level: Level | None = None) -> str:
    """The whole message, ending with a line end; `paint` colours pieces of it by their role.

    `level` stands in the place of its own, for a warning that counts as an error.
    """
    paint = paint or (lambda role, text: text)
    level = level or problem.level
    heading = paint(level, f"{level}[{problem.code}]") + paint("title", f": {problem.title()}")
    marks = problem.marks()
    if not marks:
        return "\n".join([heading, *_footers(problem, paint)]) + "\n"
    first = marks[0].span
    width = max(len(str(mark.span.position.line)) for mark in marks)
    gutter = paint("gutter", " " * (width + 1) + "|")
    lines = [
        heading,
        paint("gutter", " " * width + "--> ") + str(first),
        gutter,
    ]
    for i, (source, group) in enumerate(_by_source(marks)):
        if i:
            lines += [gutter, paint("gutter", " " * width + "::: ") + str(group[0].span), gutter]
        lines += _excerpt(source, _ordered(problem, group), marks[0], width, paint)
    footers = _footers(problem, paint)
    if footers:
        lines += [gutter, *footers]
    return "\n".join(lines) + "\n"


def as_json(problem: Diagnostic, level: Level | None = None) -> dict[str, Any]:
    """The message as plain data: places are 1-based lines and columns, ends are exclusive."""
    return {
        "code": problem.code,
        "level": level or problem.level,
        "title": problem.title(),
        "spans": [_place(mark.span) | {"note": mark.note} for mark in problem.marks()],
        "tables": [{"label": label, "text": text} for label, text in problem.tables()],
        "why": problem.why(),
        "fixes": [
            {
                "say": fix.say,
                "grade": fix.grade,
                "edits": [_place(edit.span) | {"text": edit.text} for edit in fix.edits],
            }
            for fix in problem.fixes()
        ],
        "see": problem.see(),
    }


def _place(span: Span) -> dict[str, Any]:
    start, end = span.position, span.source.position(span.end)
    return {
        "file": span.source.name,
        "start": {"line": start.line, "column": start.column},
        "end": {"line": end.line, "column": end.column},
    }


def _by_source(marks: tuple[Mark, ...]) -> list[tuple[Source, list[Mark]]]:
    groups: dict[int, tuple[Source, list[Mark]]] = {}
    for mark in marks:
        groups.setdefault(id(mark.span.source), (mark.span.source, []))[1].append(mark)
    return list(groups.values())


def _ordered(problem: Diagnostic, marks: list[Mark]) -> list[Mark]:
    """Marks on lines near each other in the order of the text, as a reader sees them; else as they come."""
    lines = [mark.span.position.line for mark in marks]
    if problem.tells_a_story or max(lines) - min(lines) > _NEAR:
        return marks
    return sorted(marks, key=lambda mark: mark.span.position.line)


def _excerpt(source: Source, marks: list[Mark], primary: Mark, width: int, paint: Paint) -> list[str]:
    """The marked lines, in the order of the marks."""
    numbers = list(dict.fromkeys(mark.span.position.line for mark in marks))
    lines: list[str] = []
    for number in numbers:
        text = source.line(number)
        if len(text) > _LONG_LINE:
            lines += _window(
                text, [mark for mark in marks if mark.span.position.line == number], primary, width, paint
            )
            continue
        lines.append(paint("gutter", f"{number:>{width}} |") + f" {_shown(text)}".rstrip())
        for mark in (mark for mark in marks if mark.span.position.line == number):
            drawn = _underline(text, mark, mark is primary, paint)
            lines.append(paint("gutter", " " * (width + 1) + "|") + " " + drawn)
    return lines


def _window(text: str, marks: list[Mark], primary: Mark, width: int, paint: Paint) -> list[str]:
    """The neighbourhood of each mark in a line that no screen holds."""
    lines: list[str] = []
    for mark in marks:
        at = mark.span.position.column - 1
        start = max(0, at - 40)
        part = text[start : at + 40]
        near = "…" * (start > 0) + part + "…" * (at + 40 < len(text))
        size = min(mark.span.end - mark.span.start, len(part) - (at - start))
        drawn = ("^" if mark is primary else "-") * max(1, _columns(text[at : at + size]))
        note = f" {mark.note}" if mark.note else ""
        margin = " " * (_columns(text[start:at]) + (start > 0))
        lines.append(paint("gutter", f"{mark.span.position.line:>{width}} |") + f" {_shown(near)}".rstrip())
        lines.append(
            paint("gutter", " " * (width + 1) + "|")
            + f" {margin}"
            + paint("primary" if mark is primary else "secondary", drawn + note)
        )
    return lines


def _underline(text: str, mark: Mark, primary: bool, paint: Paint) -> str:
    start = mark.span.position.column - 1
    end = min(start + mark.span.end - mark.span.start, len(text))
    size = max(1, _columns(text[start:end]))
    drawn = ("^" if primary else "-") * size + (f" {mark.note}" if mark.note else "")
    return " " * _columns(text[:start]) + paint("primary" if primary else "secondary", drawn)


def _footers(problem: Diagnostic, paint: Paint) -> list[str]:
    lines = [line for label, text in problem.tables() for line in _table(label, text, paint)]
    if why := problem.why():
        lines += _footer("why", why, paint)
    for fix in problem.fixes():
        lines += _fix(fix, paint)
    if see := problem.see():
        lines += _footer("see", see, paint)
    return lines


def _footer(label: str, text: str, paint: Paint) -> list[str]:
    first, *rest = text.split("\n")
    return [paint("footer", f"  {label}: ") + first, *(f"       {line}".rstrip() for line in rest)]


def _table(label: str, text: str, paint: Paint) -> list[str]:
    first, *rest = text.split("\n")
    head = f"  {label}:" + ("   " if rest else " ")
    return [paint("footer", head) + first, *(" " * _columns(head) + line for line in rest)]


def _fix(fix: Fix, paint: Paint) -> list[str]:
    lines = _footer("fix", fix.say, paint)
    if fix.grade:
        plain = "  fix: " + fix.say.split("\n")[-1]
        lines[-1] += " " * max(3, _GRADE_COLUMN - _columns(plain)) + paint("grade", f"[{fix.grade}]")
    return lines


def _shown(text: str) -> str:
    """A line as a terminal shows it: tabs as spaces, nothing that could move the cursor."""
    return "".join(_TAB if c == "\t" else c if c.isprintable() else "\ufffd" for c in text)


def _columns(text: str) -> int:
    return sum(_width(char) for char in text)


def _width(char: str) -> int:
    if char == "\t":
        return len(_TAB)
    if char.isascii() or not char.isprintable():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1

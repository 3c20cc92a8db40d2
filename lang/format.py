"""The one way to lay out a spec: no options, idempotent, and the same tree before and after.

Works on tokens, so what the tree forgets (parentheses, comments, how a string is quoted) stays. Brackets
nest into groups; a group or a chain of stages stays on one line when it was written so and fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fusec.lang import pieces
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.lexer import ENDS_VALUE, Comment, Token, split_quantity, words
from fusec.lang.parse import parse
from fusec.lang.source import Source

WIDTH = 100
_HARMLESS = ("FUSE009", "FUSE010")
_SECTION = re.compile(r"#\s*-{3}")
_NUMBER = re.compile(r"([0-9][0-9_]*)(\.[0-9_]+)?(.*)", re.DOTALL)


class DoesNotParse(ValueError):
    """The text has mistakes that a layout could hide; `problems` tells them."""

    def __init__(self, problems: tuple[Diagnostic, ...]) -> None:
        super().__init__(problems[0].title())
        self.problems = problems


@dataclass
class _Word:
    kind: str
    text: str


@dataclass
class _Remark:
    """A comment in the middle of an item: what follows begins a new line."""

    text: str
    own_line: bool


@dataclass
class _Item:
    """A slot, an argument or an item of a list, with the comments it owns."""

    parts: list[_Part] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    behind: str = ""
    spaced: bool = False
    split: bool = False
    """Whether the author broke it over lines."""


@dataclass
class _Group:
    """A pair of brackets; `listed` when its items may end in a comma."""

    opener: str
    listed: bool
    items: list[_Item] = field(default_factory=list)
    behind_opener: str = ""
    last_words: list[str] = field(default_factory=list)
    split: bool = False


_Part = _Word | _Group | _Remark


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
            chunks.append(_Chunk([_text(source, remark)], _blank(source, end, remark.start), False))
            end, at = remark.end, at + 1
        if piece is None:
            break
        last = piece.tokens[-1]
        inside = at
        line_end = source.text.find("\n", last.end) % (len(source.text) + 1)
        while at < len(comments) and comments[at].start < line_end:
            at += 1
        item = _Reader(source, piece.tokens, comments[inside:at]).declaration()
        chunks.append(_Chunk(_declaration(item), _blank(source, end, start), True))
        end = max(last.end, comments[at - 1].end if at > inside else 0)
    return list(_spaced(chunks))


def _spaced(chunks: list[_Chunk]) -> Iterator[str]:
    """The lines of all chunks, with blank lines where a reader takes breath."""
    long_before = False
    for i, chunk in enumerate(chunks):
        before = chunks[i - 1] if i else None
        owner = next((c for c in chunks[i:] if c.declares or (c.spaced and c is not chunk)), chunk)
        long = owner.declares and len(owner.lines) > 1
        begins = before is not None and (before.declares or chunk.spaced)
        section = any(c and not c.declares and _SECTION.match(c.lines[0]) for c in (before, chunk))
        if before is not None and (chunk.spaced or section or (begins and (long or long_before))):
            yield ""
        yield from chunk.lines
        if chunk.declares:
            long_before = len(chunk.lines) > 1


def _declaration(item: _Item) -> list[str]:
    lines = _lay(item, 0)
    if item.behind:
        lines[-1] += f"  {item.behind}"
    return lines


def _blank(source: Source, start: int, end: int) -> bool:
    return source.text.count("\n", start, end) > 1


def _text(source: Source, comment: Comment) -> str:
    return source.text[comment.start : comment.end].rstrip()


# --- reading: tokens and comments into groups -----------------------------------


class _Reader:
    def __init__(self, source: Source, tokens: list[Token], comments: list[Comment]) -> None:
        self.source = source
        self.events: list[Token | Comment] = sorted([*tokens, *comments], key=lambda e: e.start)
        self.at = 0
        self.end = tokens[0].start

    def declaration(self) -> _Item:
        group = _Group("", listed=False)
        self._fill(group, "")
        (item,) = group.items
        item.before, item.behind = [], " ".join(filter(None, [item.behind, *group.last_words]))
        return item

    def _fill(self, group: _Group, closer: str) -> None:
        """Reads up to `closer` into the items of `group`."""
        item = _Item()
        waiting: list[str] = []
        while self.at < len(self.events):
            event = self.events[self.at]
            gap = self.source.text[self.end : event.start]
            broken = "\n" in gap
            if isinstance(event, Comment):
                self._comment(event, group, item, waiting)
                self.at, self.end = self.at + 1, event.end
                group.split = item.split = True
                continue
            if event.kind == closer:
                group.split = group.split or (broken and bool(group.items))
                break
            group.split |= broken
            self.at, self.end = self.at + 1, event.end
            if event.kind == "," and group.opener:
                item = _Item()
                continue
            if not item.parts or (group.opener == "{" and item.parts and self._begins_slot(event)):
                item = _Item(before=waiting, spaced=bool(group.items) and gap.count("\n") > 1)
                waiting = []
                group.items.append(item)
            elif broken:
                item.split = True
            for text in waiting:
                item.parts.append(_Remark(text, own_line=True))
            waiting = []
            if event.kind in pieces.CLOSERS:
                inner = _Group(event.kind, self._listed(event.kind, item))
                self._fill(inner, pieces.CLOSERS[event.kind])
                self.at, self.end = self.at + 1, self.events[self.at].end
                item.parts.append(inner)
                item.split |= inner.split
                group.split |= inner.split
            else:
                item.parts.append(_Word(event.kind, self._word(event)))
        group.last_words += waiting

    def _comment(self, comment: Comment, group: _Group, item: _Item, waiting: list[str]) -> None:
        text = _text(self.source, comment)
        taken = not item.parts and bool(group.items) and bool(group.items[-1].behind)
        if comment.own_line or waiting or taken:
            waiting.append(text)
        elif not group.items:
            group.behind_opener = text
        elif not item.parts or self._ends_item(group):
            group.items[-1].behind = text
        else:
            item.parts.append(_Remark(text, own_line=False))

    def _ends_item(self, group: _Group) -> bool:
        """Whether the next token is the end of the current item."""
        rest = (e for e in self.events[self.at :] if isinstance(e, Token))
        token = next(rest, None)
        if token is None or token.kind in (",", pieces.CLOSERS.get(group.opener, "")):
            return True
        after = next(rest, None)
        return group.opener == "{" and token.kind == "NAME" and after is not None and after.kind == ":"

    def _begins_slot(self, token: Token) -> bool:
        rest = (e for e in self.events[self.at :] if isinstance(e, Token))
        after = next(rest, None)
        return token.kind == "NAME" and after is not None and after.kind == ":"

    def _listed(self, opener: str, item: _Item) -> bool:
        """Whether these brackets hold a list: not a block, an index or a grouped expression."""
        words_only = [part for part in item.parts if not isinstance(part, _Remark)]
        follows_value = bool(words_only) and _ends_value(words_only[-1])
        return opener != "{" and (opener == "(") == follows_value

    def _word(self, token: Token) -> str:
        text = self.source.text[token.start : token.end]
        if token.kind == "NUMBER":
            return _grouped(text)
        if token.kind == "QUANTITY":
            number, unit = split_quantity(text)
            return _grouped(number) + ("" if unit == "%" else " ") + unit
        if token.kind == "STRING" and text[0] == "'" and not text.startswith("'''"):
            return text if re.search(r'[\\"{}]', text) else f'"{text[1:-1]}"'
        return text


def _grouped(number: str) -> str:
    found = _NUMBER.fullmatch(number)
    assert found is not None
    digits = found[1].replace("_", "")
    if len(digits) > 4:
        head = len(digits) % 3
        groups = [digits[:head]] * (head > 0) + [digits[i : i + 3] for i in range(head, len(digits), 3)]
        digits = "_".join(groups)
    return digits + (found[2] or "").replace("_", "") + found[3]


# --- writing: items into lines --------------------------------------------------


def _lay(item: _Item, indent: int, reserve: int = 0) -> list[str]:
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


def _stages(parts: list[_Part]) -> list[list[_Part]]:
    stages: list[list[_Part]] = [[]]
    for part in parts:
        if isinstance(part, _Word) and part.kind == "|>":
            stages.append([])
        stages[-1].append(part)
    return stages


def _run(parts: list[_Part], indent: int, reserve: int) -> list[str]:
    """One run of words and groups; breaks groups, the last one first, until its own lines fit."""
    groups = [part for part in parts if isinstance(part, _Group) and (part.items or part.split)]
    broken = {id(group) for group in groups if group.split}
    while True:
        lines, widest = _write(parts, indent, broken)
        whole = [group for group in groups if id(group) not in broken]
        if widest + reserve <= WIDTH or not whole:
            return lines
        broken.add(id(whole[-1]))


def _write(parts: list[_Part], indent: int, broken: set[int]) -> tuple[list[str], int]:
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

    before: _Word | _Group | None = None
    unary, fresh = False, True
    for part in parts:
        if isinstance(part, _Remark):
            if part.own_line and now:
                end_line()
            now = f"{now}  {part.text}" if not part.own_line else f"{margin}  {part.text}"
            lines.append(now)
            now = f"{margin}  "
            fresh = True
            continue
        now += "" if fresh else _gap(before, part, unary)
        fresh = False
        unary = isinstance(part, _Word) and part.kind == "ADD" and not (before and _ends_value(before))
        before = part
        if isinstance(part, _Group) and id(part) in broken:
            now += part.opener
            if part.behind_opener:
                lines.append(f"{now}  {part.behind_opener}")
                now = ""
            else:
                end_line()
            lines += _inside(part, indent + 2)
            now = margin + pieces.CLOSERS[part.opener]
        else:
            first, *rest = (part.text if isinstance(part, _Word) else _flat(part)).split("\n")
            now += first
            for line in rest:  # of a long string, whose lines stay as they are
                end_line()
                now = line
    if now.strip():
        end_line()
    return lines, widest


def _inside(group: _Group, indent: int) -> list[str]:
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


def _flat(group: _Group) -> str:
    closer = pieces.CLOSERS[group.opener]
    inside = ", ".join("\n".join(_write(item.parts, 0, set())[0]) for item in group.items)
    if group.opener == "{" and inside:
        return f"{{ {inside} }}"
    return group.opener + inside + closer


def _gap(before: _Word | _Group | None, part: _Word | _Group, unary: bool) -> str:
    """The space between two parts of a run."""
    if before is None or unary:
        return ""
    if isinstance(part, _Group):
        return " " if part.opener == "{" or not _ends_value(before) else ""
    if part.kind in (":", ",", ".", "..") or _is(before, ".") or _is(before, ".."):
        return ""
    return " "


def _is(part: _Part, kind: str) -> bool:
    return isinstance(part, _Word) and part.kind == kind


def _ends_value(part: _Part) -> bool:
    if isinstance(part, _Group):
        return True
    return isinstance(part, _Word) and part.kind in ENDS_VALUE

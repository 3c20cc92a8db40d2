"""What the formatter lays out: tokens nested by their brackets into items, each with its comments.

A comment belongs to the item it stands before, or to the one on whose line it stands; it never moves
past a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from fusec.lang import pieces
from fusec.lang.lexer import ENDS_VALUE, Comment, Token, split_quantity
from fusec.lang.source import Source

_NUMBER = re.compile(r"([0-9][0-9_]*)(\.[0-9_]+)?(.*)", re.DOTALL)


@dataclass
class Word:
    kind: str
    text: str


@dataclass
class Remark:
    """A comment in the middle of an item: what follows begins a new line."""

    text: str
    own_line: bool


@dataclass
class Item:
    """A slot, an argument or an item of a list, with the comments it owns."""

    parts: list[Part] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    behind: str = ""
    spaced: bool = False
    split: bool = False
    """Whether the author broke it over lines."""


@dataclass
class Group:
    """A pair of brackets; `listed` when its items may end in a comma."""

    opener: str
    listed: bool
    items: list[Item] = field(default_factory=list)
    behind_opener: str = ""
    last_words: list[str] = field(default_factory=list)
    split: bool = False


Part = Word | Group | Remark


def read_declaration(source: Source, tokens: list[Token], comments: list[Comment]) -> Item:
    """One declaration as a single item; `comments` are those inside it and behind it on its last line."""
    return _Reader(source, tokens, comments).declaration()


def comment_text(source: Source, comment: Comment) -> str:
    return source.text[comment.start : comment.end].rstrip()


def ends_value(part: Word | Group) -> bool:
    """Whether a value ends here, so that a bracket behind it is a call, an index or a block."""
    return isinstance(part, Group) or part.kind in ENDS_VALUE


class _Reader:
    def __init__(self, source: Source, tokens: list[Token], comments: list[Comment]) -> None:
        self.source = source
        self.events: list[Token | Comment] = sorted([*tokens, *comments], key=lambda e: e.start)
        self.at = 0
        self.end = tokens[0].start

    def declaration(self) -> Item:
        group = Group("", listed=False)
        self._fill(group, "")
        (item,) = group.items
        item.before, item.behind = [], " ".join(filter(None, [item.behind, *group.last_words]))
        return item

    def _fill(self, group: Group, closer: str) -> None:
        """Reads up to `closer` into the items of `group`."""
        item = Item()
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
                item = Item()
                continue
            if not item.parts or (group.opener == "{" and item.parts and self._begins_slot(event)):
                item = Item(before=waiting, spaced=bool(group.items) and gap.count("\n") > 1)
                waiting = []
                group.items.append(item)
            elif broken:
                item.split = True
            for text in waiting:
                item.parts.append(Remark(text, own_line=True))
            waiting = []
            if event.kind in pieces.CLOSERS:
                inner = Group(event.kind, self._listed(event.kind, item))
                self._fill(inner, pieces.CLOSERS[event.kind])
                self.at, self.end = self.at + 1, self.events[self.at].end
                item.parts.append(inner)
                item.split |= inner.split
                group.split |= inner.split
            else:
                item.parts.append(Word(event.kind, self._word(event)))
        group.last_words += waiting

    def _comment(self, comment: Comment, group: Group, item: Item, waiting: list[str]) -> None:
        text = comment_text(self.source, comment)
        taken = not item.parts and bool(group.items) and bool(group.items[-1].behind)
        if comment.own_line or waiting or taken:
            waiting.append(text)
        elif not group.items:
            group.behind_opener = text
        elif not item.parts or self._ends_item(group):
            group.items[-1].behind = text
        else:
            item.parts.append(Remark(text, own_line=False))

    def _ends_item(self, group: Group) -> bool:
        """Whether the next token is the end of the current item."""
        rest = self._ahead()
        token = next(rest, None)
        if token is None or token.kind in (",", pieces.CLOSERS.get(group.opener, "")):
            return True
        after = next(rest, None)
        return group.opener == "{" and token.kind == "NAME" and after is not None and after.kind == ":"

    def _ahead(self) -> Iterator[Token]:
        """The tokens not yet read."""
        for at in range(self.at, len(self.events)):
            event = self.events[at]
            if isinstance(event, Token):
                yield event

    def _begins_slot(self, token: Token) -> bool:
        after = next(self._ahead(), None)
        return token.kind == "NAME" and after is not None and after.kind == ":"

    def _listed(self, opener: str, item: Item) -> bool:
        """Whether these brackets hold a list: not a block, an index or a grouped expression."""
        before = next((part for part in reversed(item.parts) if not isinstance(part, Remark)), None)
        follows_value = before is not None and ends_value(before)
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

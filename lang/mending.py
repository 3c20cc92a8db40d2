"""Applies the certain fixes of a text, one after the other, as long as each leaves it no worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from fusec.lang.diagnostics import Diagnostic, Edit, Fix
from fusec.lang.render import in_order
from fusec.lang.source import Position, Source

Look: TypeAlias = "Callable[[str], tuple[Source, Sequence[Diagnostic]]]"
"""Reads a text and says what is wrong with it; spans in other sources are never edited."""

MAX_FIXES = 300


class Done(NamedTuple):
    """One fix that was applied, and the place of its mistake in the text as it was just before."""

    code: str
    place: Position
    say: str


class Mended(NamedTuple):
    """A text after its certain fixes, and each of them in the order applied."""

    text: str
    done: tuple[Done, ...]


def mend(text: str, look: Look) -> Mended:
    """Apply every fix graded `safe` whose edits all lie in `text`, until none is left.

    The text is read again after each fix, so edits never overlap and each fix answers the text as it is.
    A fix that does not end its problem, or leaves more mistakes of the grammar than before, is taken back.
    """
    source, problems = look(text)
    done: list[Done] = []
    refused: set[tuple[str, tuple[Edit, ...]]] = set()
    while len(done) < MAX_FIXES:
        found = next(_certain(source, problems, refused), None)
        if found is None:
            break
        problem, fix = found
        changed = apply(source.text, fix.edits)
        seen, left = look(changed)
        if not _better(problem, problems, left):
            refused.add((problem.code, fix.edits))
            continue
        done.append(Done(problem.code, problem.marks()[0].span.position, _said(fix.say)))
        source, problems, refused = seen, left, set()
    return Mended(source.text, tuple(done))


def _said(say: str) -> str:
    """What was done; of two ways, `add A,` and on the next line `or B`, the edits make the last."""
    *first, last = say.split("\n")
    return f"{first[0].split()[0]} {last.removeprefix('or ')}" if first else last


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made; they do not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def _certain(
    source: Source, problems: Sequence[Diagnostic], refused: set[tuple[str, tuple[Edit, ...]]]
) -> Iterator[tuple[Diagnostic, Fix]]:
    """The fixes that may be applied to `source`, in the order of the text."""
    for problem in in_order(problems):
        for fix in problem.fixes():
            ours = fix.edits and all(edit.span.source is source for edit in fix.edits)
            if fix.grade == "safe" and ours and (problem.code, fix.edits) not in refused:
                yield problem, fix


def _better(problem: Diagnostic, before: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """Whether `problem` is told less often, and the grammar fails no more often.

    Other errors may come to light: a step that is mended is checked further than one that is broken.
    """

    def told(problems: Sequence[Diagnostic]) -> int:
        return sum(p.code == problem.code and p.title() == problem.title() for p in problems)

    def unread(problems: Sequence[Diagnostic]) -> int:
        return sum(p.code < "FUSE1" for p in problems)

    return told(after) < told(before) and unread(after) <= unread(before)

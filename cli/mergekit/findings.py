"""What reading a configuration brings up: problems, keys that were used, remarks for the spec's header."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fusec.cli.mergekit.vocabulary import PARAMETERS, TOP
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, Sequence
from fusec.lang.codes.fuse601_no_counterpart import NoCounterpart
from fusec.lang.codes.fuse602_unknown_setting import UnknownSetting
from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span


@dataclass(frozen=True)
class Remark:
    """Something that the spec's reader should know; `at` orders remarks and gives the line."""

    says: str
    at: Span


@dataclass
class Findings:
    """`used` holds the places of all keys that were read; a key that is not in it has a problem."""

    problems: dict[tuple[str, Span, str], Diagnostic] = field(default_factory=dict)
    used: set[Span] = field(default_factory=set)
    remarks: dict[Remark, None] = field(default_factory=dict)

    def report(self, problem: Diagnostic) -> None:
        """Keeps a problem; one that is found again, where a value is read for several models, counts once."""
        self.problems.setdefault((problem.code, problem.marks()[0].span, problem.title()), problem)

    def misfit(self, says: str, at: Span, fix: str, reason: str = "") -> None:
        self.report(Misfit(says, at, fix, reason))

    def lacks(self, says: str, at: Span, reason: str, nearest: str, other: Span | None = None) -> None:
        note = "this differs" if other else ""
        self.report(NoCounterpart(says, at, reason, nearest, "", other, note))

    def remark(self, says: str, at: Span) -> None:
        self.remarks.setdefault(Remark(says, at))

    def fields(self, node: Node, known: Iterable[str], what: str) -> dict[str, Entry]:
        """The known keys of a mapping; reports every other key, and a node that is no mapping."""
        if not isinstance(node, Mapping):
            self.use_all(node)
            self.misfit(
                f"{what} is a mapping of keys", node.span, f"write `key: value`; {what} has {_list(known)}"
            )
            return {}
        known = tuple(known)
        found = {}
        for entry in node.entries:
            if entry.key in known:
                self.used.add(entry.at)
                found[entry.key] = entry
            else:
                self._stranger(entry, known, what)
        return found

    def _stranger(self, entry: Entry, known: tuple[str, ...], what: str) -> None:
        word = entry.key
        if what != "`parameters`" and "parameters" in known and word in PARAMETERS:
            reason = "mergekit reads past it there, so it never had an effect"
            says = f"`{word}` stands outside `parameters`"
            self.misfit(says, entry.at, "move it below `parameters:`", reason)
        elif word in TOP and what != "the configuration":
            reason = "it belongs to the whole configuration"
            self.misfit(f"`{word}` stands inside {what}", entry.at, "move it to the first column", reason)
        else:
            kind = "parameter" if what == "`parameters`" else f"key of {what}"
            kind = "key" if what == "the configuration" else kind
            self.report(UnknownSetting("mergekit", kind, word, entry.at, known))

    def use_all(self, node: Node) -> None:
        """Marks every key below a node as read: a remark or a problem speaks for all of it."""
        waiting, seen = [node], set()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, Sequence):
                waiting += node.items
            elif isinstance(node, Mapping):
                self.used |= {entry.at for entry in node.entries}
                waiting += [entry.value for entry in node.entries]


def _list(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def shown(entry: Entry) -> str:
    """An entry on one line, as it is written: `t: [0, 0.5, 1]`."""
    text = (
        " ".join(entry.value.span.text.split()) if not isinstance(entry.value, Scalar) else entry.value.text
    )
    text = "".join(c if c.isprintable() else "�" for c in text)
    return f"`{entry.key}: {text if len(text) <= 60 else text[:57] + '...'}`"

"""Data sets that belong to experts: one for each, by key where both have keys, else by position."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.compiler.slots import Keyed, Weighted
from fusec.compiler.step import Site
from fusec.lang.codes.fuse208_keys_differ import KeysDiffer
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span


def check_paired(site: Site, experts: Sequence[Weighted], data: Sequence[Keyed], what: str, at: Span) -> None:
    """Report data, the argument `what` of the method at `at`, that is not one for all or one for each."""
    own, theirs = [part.key for part in data], [expert.key for expert in experts]
    if len(data) > 1 and all(own) and all(theirs) and set(own) != set(theirs):
        report = KeysDiffer(
            at=at,
            name=what,
            keys=tuple(own),
            other_at=site.at("experts"),
            other="experts",
            other_keys=tuple(theirs),
        )
        site.report(report)
    elif len(data) not in (1, len(experts)):
        sets = "no data set" if not data else f"{len(data)} data sets"
        allowed = f"one data set, or one for each of the {len(experts)} experts"
        site.report(OutOfRange(at=at, what=f"`{what}`", got=sets, allowed=allowed))


def paired(experts: Sequence[Weighted], data: Sequence[Keyed]) -> tuple[Keyed, ...]:
    """A data set for each expert, in their order and without keys; a single one stands for all of them."""
    keys = [part.key for part in data]
    if len(data) == len(experts) and all(keys) and set(keys) == {expert.key for expert in experts}:
        data = [data[keys.index(expert.key)] for expert in experts]
    count = len(experts) if len(data) == 1 else 1
    return tuple(Keyed("", part.input) for part in data) * count

"""Data sets that belong to experts: one for each, by key where both have keys, else by position."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.compiler.slots import Keyed, Weighted
from fusec.compiler.step import Site
from fusec.lang.codes.fuse208_keys_differ import KeysDiffer
from fusec.lang.codes.fuse212_out_of_range import OutOfRange


def check_paired(site: Site, experts: Sequence[Weighted], data: Sequence[Keyed], what: str, slot: str) -> None:
    """Report data, the argument `what` of the method in `slot`, that is not one for all or one for each."""
    own, theirs = [part.key for part in data], [expert.key for expert in experts]
    if len(data) > 1 and all(own) and all(theirs) and set(own) != set(theirs):
        report = KeysDiffer(
            at=site.at(slot),
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
        site.report(OutOfRange(at=site.at(slot), what=f"`{what}`", got=sets, allowed=allowed))


def paired(experts: Sequence[Weighted], data: Sequence[Keyed]) -> tuple[Keyed, ...]:
    """The data in the order of the experts and without keys; one data set stands for all of them."""
    keys = [part.key for part in data]
    if len(data) == len(experts) and all(keys) and set(keys) == {expert.key for expert in experts}:
        data = [data[keys.index(expert.key)] for expert in experts]
    plain = tuple(Keyed("", part.input) for part in data)
    return plain[:1] if len({part.input.ref for part in plain}) == 1 else plain

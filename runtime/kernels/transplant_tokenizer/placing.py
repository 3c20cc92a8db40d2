"""Which row of the new embedding comes from where, decided once for every tensor with rows of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernel import RunError
from fusec.runtime.sources.safetensors_header import ModelHeaders


@dataclass(frozen=True, eq=False)
class Holder:
    """A model and the rows of its tokens; its embedding has `height` rows."""

    headers: ModelHeaders
    rows: Mapping[str, int]
    height: int

    def row(self, token: str) -> int | None:
        """The row of a token, None where the model has none for it, or a number beyond its embedding."""
        row = self.rows.get(token)
        return row if row is not None and row < self.height else None


@dataclass(frozen=True)
class Wishes:
    """What stands in for tokens that a model lacks, and in `force` for tokens that it has."""

    base: Holder | None
    donors: tuple[Holder, ...]
    tokens: Mapping[str, Holder]
    zero: frozenset[str]
    force: frozenset[str]
    zero_when_missing: bool


@dataclass(frozen=True)
class Rows:
    """The mean of these rows, each of one holder; of one row, its bytes. Of none: zeros."""

    of: tuple[tuple[Holder, int], ...] = ()


@dataclass(frozen=True)
class OwnMean:
    """The mean of all rows of the model that belong to a token."""


Standin = Rows | OwnMean


@dataclass(frozen=True)
class Run:
    """`count` rows from `source` on that stand together from `target` on."""

    target: int
    source: int
    count: int


@dataclass(frozen=True)
class Placed:
    """Every row of the new embedding once: in a run of the model's own, or with a stand-in."""

    runs: tuple[Run, ...]
    standins: Mapping[int, Standin]
    counts: Mapping[str, int]


def place(own: Holder, target: Mapping[str, int], height: int, wishes: Wishes) -> Placed:
    """The rows of a new embedding of `height` rows whose tokens are `target`.

    A number without a token keeps the row of that number where it had no token either, and else is the mean
    of all rows. RunError naming a token that is wished for and cannot be had.
    """
    _require_possible(target, wishes)
    source: NDArray[np.int64] = np.full(height, -1, np.int64)
    standins: dict[int, Standin] = {}
    lacking = without = 0
    for token, number in target.items():
        row = None if token in wishes.force else own.row(token)
        if row is not None:
            source[number] = row
            continue
        standins[number] = found = _standin(token, wishes)
        lacking += 1
        without += not isinstance(found, Rows) or not found.of
    for number in _untaken(target, height):
        standins[number] = OwnMean()
    for number in _untaken(own.rows, min(own.height, height)) & _untaken(target, height):
        source[number] = number
    # Of tokens that share a number one with a row of its own decides.
    standins = {number: standins[number] for number in sorted(standins) if source[number] < 0}
    kept = sum(token in target for token in own.rows)
    counts = {
        "rows": height,
        "kept": len(target) - lacking,
        "from_donors": lacking - without,
        "without_donor": without,
        "dropped": len(own.rows) - kept,
    }
    return Placed(_runs(source), standins, counts)


def _standin(token: str, wishes: Wishes) -> Standin:
    if token in wishes.tokens:
        donor = wishes.tokens[token]
        row = donor.row(token)
        if row is None:
            raise RunError(
                f"{donor.headers.folder} has no row for the token {token!r}",
                hint="`tokens` names a model that has the token",
            )
        return Rows(((donor, row),))
    if token in wishes.zero:
        return Rows()
    if wishes.base is not None and (row := wishes.base.row(token)) is not None:
        return Rows(((wishes.base, row),))
    having = tuple((donor, row) for donor in wishes.donors if (row := donor.row(token)) is not None)
    if having:
        return Rows(having)
    return Rows() if wishes.zero_when_missing else OwnMean()


def _require_possible(target: Mapping[str, int], wishes: Wishes) -> None:
    for slot, tokens in (("tokens", wishes.tokens), ("zero", wishes.zero)):
        strange = sorted(token for token in tokens if token not in target)
        if strange:
            raise RunError(
                f"`{slot}` names {strange[0]!r}, which is no token of the new tokenizer",
                hint="tokens are written as in `tokenizer.json`",
            )


def _untaken(rows: Mapping[str, int], height: int) -> set[int]:
    return set(range(height)) - set(rows.values())


def _runs(source: NDArray[np.int64]) -> tuple[Run, ...]:
    """Numbers that follow each other in both orders, together; -1 is no row."""
    targets = np.flatnonzero(source >= 0)
    if not targets.size:
        return ()
    rows = source[targets]
    breaks = np.flatnonzero((np.diff(targets) != 1) | (np.diff(rows) != 1)) + 1
    starts = np.concatenate(([0], breaks))
    counts = np.diff(np.concatenate((starts, [targets.size])))
    return tuple(
        Run(int(targets[at]), int(rows[at]), int(count)) for at, count in zip(starts, counts, strict=True)
    )

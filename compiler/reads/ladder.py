"""Plans the reads of a merge: one pass over the catalog's columns answers every budget and every error.

The pass keeps the options of all blocks and the order in which a greedy choice takes them. A budget is then
a place in that order, closed up to the best choice; a sweep over budgets plans once. Choices are made in
logical bytes, and the least useful are given up until the physical bytes fit too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.access import (
    FIXED_POINT,
    VERSION,
    AccessSet,
    TensorPlaces,
    layout_of,
    pack_borrowed,
    pack_merged,
    slack_of,
)
from fusec.compiler.reads.certificate import Certificate, Update, certify, update_of
from fusec.compiler.reads.columns import F64, I64, Flags, TensorColumns
from fusec.compiler.reads.fit import Fitted, fit
from fusec.compiler.reads.grid import block_count
from fusec.compiler.reads.items import borrowers, items_of
from fusec.compiler.reads.knapsack import Knapsack
from fusec.compiler.reads.menu import I32, Menu, menu_of
from fusec.compiler.reads.options import Options, options_of
from fusec.compiler.reads.request import Additive, Request, WholeBlocks


class BudgetTooSmall(ValueError):
    """The factors of adapters, which are read in any case, need more than the budget."""

    def __init__(self, budget: int, needed: int) -> None:
        super().__init__(
            f"a budget of {budget} bytes is less than the {needed} bytes of the adapters' factors"
        )
        self.budget, self.needed = budget, needed


class Point(NamedTuple):
    """Physical bytes, and the error as a share of the update as `Certificate.of_update` has it.

    No choice of so many logical bytes has less than `least` of the update as its expected error.
    """

    bytes: int
    error: float
    least: float


class Outline(NamedTuple):
    """What an `AccessSet` comes to, without the set."""

    logical: int
    physical: int
    optimum: float
    certificate: Certificate

    @property
    def slack(self) -> float:
        """As of an access set."""
        return slack_of(self.certificate, self.optimum)


@dataclass(frozen=True, eq=False)
class _Tensor:
    """What the pass keeps of one tensor."""

    places: TensorPlaces
    borrower: I64
    owner: NDArray[np.int16]
    fixed: int
    update: Update
    exact: bool
    tight: bool


def plan_reads(tensors: Iterable[TensorColumns], request: Request) -> Ladder:
    """The ladder of a merge of K experts. Takes the tensors one by one, in any order, with distinct names.

    ValueError for none at all, for norms that are not finite, and for blocks of different sizes.
    """
    planned: list[tuple[_Tensor, Options]] = []
    blocks = set()
    for columns in tensors:
        if not np.isfinite(columns.norm2[~columns.zero]).all():
            raise ValueError(f"a change of `{columns.name}` has no finite norm: it holds NaN or infinity")
        blocks.add(columns.block)
        planned.append(_planned(columns, request))
    if len(blocks) != 1:
        raise ValueError(f"reads are planned over blocks of one size, not {sorted(blocks)}")
    planned.sort(key=lambda each: each[0].places.name)
    kept, options = [tensor for tensor, _ in planned], [table for _, table in planned]
    del planned
    return Ladder(kept, menu_of(options), blocks.pop(), request)


def _planned(columns: TensorColumns, request: Request) -> tuple[_Tensor, Options]:
    method = request.method
    coefficients = method.coefficients(columns.name)
    items = items_of(columns, method, coefficients)
    bound2 = method.bound2(columns, coefficients) if isinstance(method, WholeBlocks) else None
    gram = columns.gram if isinstance(method, Additive) and not method.masked else None
    options = options_of(items, gram, bound2, columns.fixed)
    alone = method.kind == "additive" and len(coefficients) == 1
    tight = columns.exact and (gram is not None or alone)
    pair, owner = borrowers(columns)
    tensor = _Tensor(
        TensorPlaces(
            columns.name,
            columns.elements,
            tuple(round(float(c) * FIXED_POINT) for c in coefficients),
            tuple(columns.files.tolist()),
            tuple(columns.start.tolist()),
            tuple(columns.itemsize.tolist()),
        ),
        pair,
        owner.astype(np.int16),
        options.fixed,
        update_of(items, gram, bound2, known=tight),
        columns.exact,
        tight,
    )
    return tensor, options


class Ladder:
    """The reads of one merge for any budget: `fixed` bytes in any case, `total` logical bytes at most."""

    def __init__(self, tensors: list[_Tensor], menu: Menu, block: int, request: Request) -> None:
        self._request = request
        self._block = block
        self._places = [tensor.places for tensor in tensors]
        self._layout = layout_of(self._places, block=block, page=request.page, gap=request.gap)
        self._borrower = _pairs(tensors, self._layout.first, block)
        self._owner = np.concatenate([tensor.owner for tensor in tensors])
        self._exact = all(tensor.exact for tensor in tensors)
        self._tight = all(tensor.tight for tensor in tensors)
        self._update = Update(
            math.fsum(tensor.update.about2 for tensor in tensors),
            math.fsum(tensor.update.most2 for tensor in tensors),
            all(tensor.update.known for tensor in tensors),
        )
        self.fixed = sum(tensor.fixed for tensor in tensors)
        self._menu = menu
        self._nothing_given = not self._menu.given.any()
        self._knapsack = Knapsack(self._menu)
        self.total = self.fixed + int(self._menu.spent[-1])

    @property
    def experts(self) -> int:
        return self._layout.experts

    @property
    def update2(self) -> float:
        """Squared 2-norm of the full merge's change, as well as it is known."""
        return self._update.about2

    def steps(self) -> tuple[I64, F64]:
        """Cost and gain of each step in the order taken; a gain is a share of the squared update."""
        menu = self._menu
        gain: F64 = np.diff(menu.gained) * np.float64(menu.unit / (self.update2 or 1.0))
        return np.diff(menu.spent), gain

    def at(self, budget: int) -> AccessSet:
        """What to read with a budget in bytes, margins and gaps included; 0 reads nothing.

        ValueError for a negative budget; BudgetTooSmall where adapters alone need more.
        """
        fitted = self._fitted(budget)
        return self._access(fitted.taken, budget, fitted.bound)

    def outline(self, budget: int) -> Outline:
        """What `at` would come to, in a fraction of its time; raises as it does."""
        fitted = self._fitted(budget)
        return self._outline(fitted.taken, fitted.bound, self._menu.reads_of(fitted.taken, self.experts))

    def _fitted(self, budget: int) -> Fitted:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 0:
            raise ValueError(f"a read budget is a whole number of bytes from 0 on, not {budget!r}")
        if budget < self.fixed:
            raise BudgetTooSmall(budget, self.fixed)
        return fit(self._knapsack, self._layout, budget - self.fixed)

    def for_error(self, share: float) -> AccessSet:
        """The fewest bytes that leave at most this share of the update undone; margins and gaps come on top.

        The share is of the error bound against the update's norm: see `Certificate.of_update`. 0 reads all
        that changes anything, 1 nothing. Where norms alone are known, reads are still taken in the order
        that lowers the expected error, until the bound is low enough.
        ValueError for a negative share or NaN.
        """
        if not share >= 0:
            raise ValueError(f"an error is a share of the update from 0 on, not {share!r}")
        if share == 0:
            return self._access(self._knapsack.best(self.total).taken, None, int(self._menu.gained[-1]))
        nothing = self._knapsack.best(0).taken
        if self._share_left(nothing) <= share:
            return self._access(nothing, None, 0)
        menu = self._menu
        low, high = 1, len(menu.steps)
        while low < high:
            middle = (low + high) // 2
            if self._share_left(self._knapsack.best(int(menu.spent[middle])).taken) <= share:
                high = middle
            else:
                low = middle + 1
        # The steps before this one reach it, those before the last do not: the least cost lies between.
        unit = self._knapsack.divisor
        enough = int(menu.spent[high]) // unit
        short = int(menu.spent[high - 1]) // unit
        while enough - short > 1:
            middle = (enough + short) // 2
            if self._share_left(self._knapsack.best(middle * unit).taken) <= share:
                enough = middle
            else:
                short = middle
        choice = self._knapsack.best(enough * unit)
        return self._access(choice.taken, None, choice.bound)

    def curve(self, shares: Iterable[float]) -> list[Point]:
        """What the best choices within these shares of all logical bytes read and leave; fixed bytes on top.

        Quicker than `at`, since no choice is fitted to physical bytes: they are what they come to.
        """
        points = []
        for share in shares:
            choice = self._knapsack.best(int(share * (self.total - self.fixed)))
            certificate = self._certificate(choice.taken)
            gap = max(0, choice.bound - int(np.take(self._menu.worth, self._menu.chosen(choice.taken)).sum()))
            least = math.sqrt(max(0.0, certificate.expected**2 - gap * self._menu.unit))
            reads = self._menu.reads_of(choice.taken, self.experts)
            bytes = self.fixed + self._layout.physical(reads)
            update = certificate.update or 1.0
            points.append(Point(bytes, certificate.of_update, min(least / update, certificate.of_update)))
        return points

    def _share_left(self, taken: I32) -> float:
        return self._certificate(taken).of_update

    def _certificate(self, taken: I32) -> Certificate:
        return certify(
            self._menu.block,
            self._menu.left_by(taken),
            exact=self._exact,
            tight=self._tight,
            update=self._update,
            base_norm=self._request.base_norm,
            precision=self._request.precision,
            nothing=self._nothing_given and not (taken >= 0).any(),
        )

    def _access(self, taken: I32, budget: int | None, bound: int) -> AccessSet:
        menu, request = self._menu, self._request
        reads = menu.reads_of(taken, self.experts)
        merged = reads | np.unpackbits(menu.given, axis=1, count=self.experts).view(bool)
        block, expert = np.divmod(self._borrower, self.experts)
        lent = merged[block, self._owner]
        merged[block[lent], expert[lent]] = True
        outline = self._outline(taken, bound, reads)
        return AccessSet(
            version=VERSION,
            kind=request.method.kind,
            block=self._block,
            page=request.page,
            gap=request.gap,
            experts=self.experts,
            tensors=self._places,
            budget=budget,
            fixed=self.fixed,
            logical=outline.logical,
            physical=outline.physical,
            optimum=outline.optimum,
            certificate=outline.certificate,
            merged=pack_merged(merged),
            borrowed=pack_borrowed(self._borrower[lent], self._owner[lent]),
        )

    def _outline(self, taken: I32, bound: int, reads: Flags) -> Outline:
        menu, options = self._menu, self._menu.chosen(taken)
        certificate = self._certificate(taken)
        unreached = max(0, bound - int(np.take(menu.worth, options).sum())) * menu.unit
        return Outline(
            self.fixed + int(np.take(menu.cost, options).sum()),
            self.fixed + self._layout.physical(reads),
            math.sqrt(max(0.0, certificate.expected**2 - unreached)),
            certificate,
        )


def _pairs(tensors: list[_Tensor], first: I64, size: int) -> I64:
    """Borrowing pairs of all tensors as `block * K + expert`, blocks counted through."""
    parts = [np.zeros(0, np.int64)]
    for at, tensor in zip(first.tolist(), tensors, strict=False):
        experts = len(tensor.places.files)
        expert, block = np.divmod(tensor.borrower, block_count(tensor.places.elements, size))
        parts.append((at + block) * experts + expert)
    return np.concatenate(parts)

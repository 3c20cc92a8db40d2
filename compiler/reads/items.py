"""The distinct pieces of one tensor that a merge may read, after what is free has been taken out.

A pair (expert, block) costs nothing and changes nothing when the block equals the base's. Pairs with the same
bytes are one item, read from the first of them, with their coefficients added up. Where these add up to 0,
or the change is known to be 0, the item is not needed. The factors of an adapter are read in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusec.compiler.reads.columns import F64, I64, Flags, TensorColumns
from fusec.compiler.reads.request import Additive, WholeBlocks

CANCELS = 2.0**-50
"""Coefficients cancel when their sum is below this share of the sum of their sizes: the rest is rounding."""


@dataclass(frozen=True, eq=False)
class Items:
    """The items of one tensor: an entry that is no owner's, or not needed, is False and 0.

    weight  (K, B) float64  summed coefficient of the item that the expert owns at the block
    norm2   (K, B) float64  squared norm of its change
    paid    (K, B) bool     it is needed and costs bytes
    given   (K, B) bool     it is needed and comes with an adapter's factors
    cost    (K, B) int64    bytes
    """

    weight: F64
    norm2: F64
    paid: Flags
    given: Flags
    cost: I64


def items_of(columns: TensorColumns, method: Additive | WholeBlocks, coefficients: F64) -> Items:
    """Signs count only where changes are summed as they are: under masks or an election nothing cancels."""
    signed = isinstance(method, Additive) and not method.masked
    factors = coefficients if signed else np.abs(coefficients)
    owns = ~columns.zero & (columns.owner == np.arange(len(factors))[:, None])
    weight = np.where(owns, factors[:, None], 0.0)
    spread = np.abs(weight)
    borrower, owner = borrowers(columns)
    expert, block = np.divmod(borrower, columns.blocks)
    np.add.at(weight, (owner, block), factors[expert])
    np.add.at(spread, (owner, block), np.abs(factors[expert]))
    needed = owns & (np.abs(weight) > CANCELS * spread)
    if columns.exact:
        needed &= columns.norm2 > 0
    stored = (columns.files >= 0)[:, None]
    paid = needed & stored
    return Items(
        weight=np.where(needed, weight, 0.0),
        norm2=np.where(needed, columns.norm2, 0.0),
        paid=paid,
        given=needed & ~stored,
        cost=np.where(paid, columns.itemsize[:, None] * columns.sizes, 0),
    )


def borrowers(columns: TensorColumns) -> tuple[I64, I64]:
    """The pairs that take another expert's bytes: their flat indices in (K, B) order, and whose bytes."""
    others = (columns.owner != np.arange(len(columns.owner))[:, None]) & ~columns.zero
    return np.flatnonzero(others), columns.owner[others].astype(np.int64)

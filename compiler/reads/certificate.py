"""How far a merge with omissions can be from the full one, and how large the full one's update is.

The bound adds what the groups of a block leave as if it pointed the same way, and blocks as what they are:
disjoint. For one group per block, which is the rule with inner products, it is the error itself.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import F64
from fusec.compiler.reads.items import Items


class Update(msgspec.Struct, frozen=True):
    """The 2-norm of the full merge's change, `|M* - W|`, squared: at most `most2`, about `about2`.

    `known` says that `about2` is the norm itself up to rounding. Otherwise changes are taken as orthogonal,
    or the method's bound stands for them.
    """

    about2: float
    most2: float
    known: bool


class Certificate(msgspec.Struct, frozen=True):
    """What is known of the distance between the full merge `M*` and the merge with omissions.

    error       `|M* - M_A|` is at most this, before the cast to the output dtype; None where the catalog
                holds estimates only, which promise nothing
    tight       the error is equal to it, up to rounding
    expected    what the plan minimised: the error itself where inner products are known
    update      `|M* - W|`, estimated from norms unless `update_known`
    of_update   `error` (without it `expected`) as a share of `update`; 1 is what merging nothing gives
    of_weights  `error` as a share of `|M*|`, at most; None without the base's norm
    cast        what rounding both merges to the output dtype may add; None without precision or norm
    """

    error: float | None
    tight: bool
    expected: float
    update: float
    update_known: bool
    of_update: float
    of_weights: float | None
    cast: float | None


def update_of(items: Items, gram: F64 | None, bound2: F64 | None, *, known: bool) -> Update:
    """The update of one tensor; `gram` and `bound2` as in `options_of`, `known` as in `Update`."""
    if bound2 is not None:
        most2 = float(bound2.sum())
        return Update(most2, most2, known)
    sizes = np.abs(items.weight) * np.sqrt(items.norm2)
    most2 = float((sizes.sum(axis=0) ** 2).sum())
    if gram is None:
        return Update(float((sizes**2).sum()), most2, known)
    weight = items.weight.T
    about2 = float((weight[:, :, None] * weight[:, None, :] * gram).sum())
    return Update(max(about2, 0.0), most2, known)


def certify(
    block: NDArray[np.int32],
    apart2: F64,
    *,
    exact: bool,
    tight: bool,
    update: Update,
    base_norm: float | None,
    precision: int | None,
    nothing: bool,
) -> Certificate:
    """`block` (G,) numbers the block of each group, `apart2` (G,) is what it leaves, squared; it is used up.

    `nothing` says that nothing at all is merged: the error is then the update itself.
    """
    expected = math.sqrt(float(apart2.sum()))
    norms = np.sqrt(apart2, out=apart2)
    error = math.sqrt(float((np.bincount(block, norms) ** 2).sum())) if exact else None
    norm = math.sqrt(update.about2)
    told = expected if error is None else error
    of_update = 0.0 if not norm else 1.0 if nothing else told / norm
    of_weights = cast = None
    if error is not None and base_norm is not None:
        most = math.sqrt(update.most2)
        of_weights = error / (base_norm - most) if base_norm > most else None
        cast = 2.0**-precision * (2 * (base_norm + most) + error) if precision is not None else None
    return Certificate(error, tight, expected, norm, update.known, of_update, of_weights, cast)

"""The rows of routers: drawn, or found from what the base makes of prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.moe import Piece
from fusec.runtime.kernel import Artifact, Context, Method
from fusec.runtime.kernels.merge.random import stream

F64 = NDArray[np.float64]
Rows = Mapping[str, F64]
"""Name of a router -> (experts, hidden)."""


def router_rows(router: Method, base: Artifact, routers: Sequence[Piece], ctx: Context) -> Rows:
    """The rows that `router` has for each of the pieces `routers`, in float64.

    What is drawn for a router depends on its name, its shape and the seed alone.
    """
    if router.name == "prompts":
        from fusec.runtime.kernels.assemble_moe.prompts import mean_states

        rows = mean_states(router, base, experts=routers[0].shape[0], ctx=ctx)
        return {piece.name: rows[piece.layer % len(rows)] for piece in routers}
    draw = {"random": _normal, "uniform": _even}[router.name]
    return {piece.name: draw(router["seed"], piece) for piece in routers}


def _even(seed: int, piece: Piece) -> F64:
    """Between -1 / sqrt(hidden) and 1 / sqrt(hidden)."""
    experts, hidden = piece.shape
    return (2 * _units(seed, piece, experts * hidden) - 1).reshape(piece.shape) / np.sqrt(hidden)


def _normal(seed: int, piece: Piece) -> F64:
    """N(0, 1), by the transform of Box and Muller: two even numbers for each."""
    experts, hidden = piece.shape
    radius, angle = _units(seed, piece, 2 * experts * hidden).reshape(-1, 2).T
    return (np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)).reshape(piece.shape)


def _units(seed: int, piece: Piece, count: int) -> F64:
    """Even numbers above 0 and below 1, the middles of 2^32 equal parts."""
    return (stream(seed, piece.name, "router").lanes(0, count).astype(np.float64) + 0.5) / 2.0**32

"""Families whose weights exist: changes as vectors, and the columns that a catalog would hold of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from fusec.compiler.reads.columns import F64, TensorColumns


@dataclass(frozen=True, eq=False)
class Family:
    """`changes`: name -> (K, n) `expert - base`. `columns` are what is known of them."""

    changes: dict[str, F64]
    columns: list[TensorColumns]

    def update(self, coefficients: Callable[[str], F64]) -> dict[str, F64]:
        return {name: coefficients(name) @ change for name, change in self.changes.items()}


def columns_of(
    name: str,
    changes: F64,
    *,
    block: int,
    gram: bool = True,
    itemsize: Sequence[int] | None = None,
    start: int = 0,
    exact: bool = True,
    adapters: Sequence[int] = (),
) -> TensorColumns:
    """Expert k lies in file k from byte `start` on. Blocks with equal changes have equal bytes."""
    experts, elements = changes.shape
    sizes = np.array([2] * experts if itemsize is None else itemsize, np.int64)
    pieces = [changes[:, at : at + block] for at in range(0, elements, block)]
    zero = np.zeros((experts, len(pieces)), bool)
    owner = np.zeros((experts, len(pieces)), np.int32)
    norm2 = np.zeros((experts, len(pieces)))
    products = np.zeros((len(pieces), experts, experts))
    for b, piece in enumerate(pieces):
        zero[:, b] = (piece == 0).all(axis=1)
        norm2[:, b] = (piece**2).sum(axis=1)
        products[b] = piece @ piece.T
        seen: dict[tuple[int, bytes], int] = {}
        for k in range(experts):
            owner[k, b] = seen.setdefault((int(sizes[k]), piece[k].tobytes()), k)
    files, fixed = np.arange(experts), np.zeros(experts, np.int64)
    for expert in adapters:
        files[expert], fixed[expert], owner[expert] = -1, 100, expert
    return TensorColumns(
        name=name,
        elements=elements,
        block=block,
        files=files,
        start=np.full(experts, start),
        itemsize=sizes,
        zero=zero,
        owner=owner,
        norm2=norm2,
        gram=products if gram else None,
        exact=exact,
        fixed=fixed,
    )


@pytest.fixture(scope="session")
def family() -> Callable[..., Family]:
    """`family(seed, experts=3, ...)`: a few small tensors with zero blocks, shared blocks and opposites."""

    def make(
        seed: int,
        *,
        experts: int = 3,
        tensors: int = 2,
        blocks: int = 3,
        block: int = 8,
        gram: bool = True,
        itemsize: Sequence[int] | None = None,
        plain: bool = False,
        adapters: Sequence[int] = (),
    ) -> Family:
        rng = np.random.default_rng(seed)
        changes, columns, start = {}, [], 0
        for number in range(tensors):
            elements = block * blocks - int(rng.integers(0, block))
            change = rng.normal(size=(experts, elements)) * 10.0 ** rng.uniform(-1, 1, (experts, 1))
            for at in range(0, elements, block):
                here = slice(at, at + block)
                trick = 9 if plain else rng.integers(0, 8)
                one, other = rng.integers(0, experts, 2)
                if trick == 0:
                    change[one, here] = 0
                elif trick == 1:
                    change[one, here] = change[other, here]
                elif trick == 2:
                    change[one, here] = -change[other, here] * (1 if one != other else -1)
                else:
                    change[:, here] *= 10.0 ** rng.uniform(-1, 1)
            name = f"layer.{number}.weight"
            changes[name] = change
            columns.append(
                columns_of(
                    name, change, block=block, gram=gram, itemsize=itemsize, start=start, adapters=adapters
                )
            )
            start += elements * 4
        return Family(changes, columns)

    return make


@pytest.fixture(scope="session")
def columns() -> Callable[..., TensorColumns]:
    return columns_of

"""Which tensors of a model an adapter changes by two factors, which it can only store whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS
from fusec.compiler.layers import comes_first

Shape = tuple[int, ...]


def is_linear(name: str, shape: Shape) -> bool:
    """Whether a tensor is the weight of a linear module: a matrix that is neither embedding nor head."""
    ends = name.endswith(EMBEDDINGS) or name in TIED_HEADS or comes_first(name)
    return len(shape) == 2 and name.endswith(".weight") and not ends


def is_target(name: str, target: Sequence[str], keep: Sequence[str]) -> bool:
    """Whether an adapter may change a tensor: a pattern of `target` names it and none of `keep`."""
    named = any(fnmatchcase(name, pattern) for pattern in target)
    return named and not any(fnmatchcase(name, pattern) for pattern in keep)


def changeable(shapes: Mapping[str, Shape], target: Sequence[str], keep: Sequence[str]) -> dict[str, Shape]:
    """The tensors that an adapter may change; of a model whose head is its embedding, neither of the two.

    `shapes` are the tensors of the base without a head that is its embedding.
    """
    tied = TIED_HEADS.isdisjoint(shapes)
    return {
        name: shape
        for name, shape in shapes.items()
        if is_target(name, target, keep) and not (tied and name.endswith(EMBEDDINGS))
    }

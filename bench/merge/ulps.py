"""How far two models lie apart in units in the last place, and where an operator leaves the choice open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

Tensors = Mapping[str, torch.Tensor]
Open = Callable[[torch.Tensor], torch.Tensor]
"""Deltas (experts, elements) in float32 -> bool (elements): where equal ones compete for the last place."""


@dataclass(frozen=True)
class Apart:
    """What differs between two models.

    `over`: elements more than one representable value apart. `at_scale`: the largest difference in ulps of
    the largest input there, in the tensor `worst`. Differences of more than is allowed are either `equals`,
    where the operator leaves the choice open, or `apart`.
    """

    elements: int
    over: int
    at_scale: float
    equals: int
    apart: int
    worst: str


def compare(
    base: Tensors,
    experts: Sequence[Tensors],
    a: Tensors,
    b: Tensors,
    *,
    left_open: Open | None = None,
    allowed: int = 1,
) -> Apart:
    """How far the models `a` and `b` are apart. ValueError where names, dtypes or shapes differ."""
    if {n: (t.dtype, t.shape) for n, t in a.items()} != {n: (t.dtype, t.shape) for n, t in b.items()}:
        raise ValueError("the two models do not have the same tensors")
    elements = over = equals = apart = 0
    worst, largest = "-", 0.0
    for name in sorted(a):
        left, right = a[name].flatten(), b[name].flatten()
        start = base[name].flatten().float()
        moved = [expert[name].flatten().float() for expert in experts]
        scale = torch.stack([left.float(), right.float(), start, *moved]).abs().amax(0).double()
        ulps = (left.double() - right.double()).abs() / _ulp(scale, left.dtype)
        choice = torch.zeros(len(ulps), dtype=torch.bool)
        if left_open is not None:
            choice = left_open(torch.stack(moved) - start)
        far = ulps > allowed
        elements += len(ulps)
        over += int((_ordered(left) - _ordered(right)).abs().gt(1).sum())
        equals += int((far & choice).sum())
        apart += int((far & ~choice).sum())
        rest = float(ulps.masked_fill(choice, 0).max())
        if rest > largest:
            worst, largest = name, rest
    return Apart(elements, over, largest, equals, apart, worst)


def largest_kept(density: float) -> Open:
    """Where trimming to the largest magnitudes has equals to choose from."""

    def open_at(deltas: torch.Tensor) -> torch.Tensor:
        count = deltas.shape[1]
        keep = max(1, int(density * count))
        return _at_places(deltas.abs(), [count - keep] if keep < count else [])

    return open_at


def middle_kept(density: float, gamma: float) -> Open:
    """Where trimming the largest and the smallest magnitudes has."""

    def open_at(deltas: torch.Tensor) -> torch.Tensor:
        count = deltas.shape[1]
        keep, top = int(density * count), int(gamma * count)
        low = max(0, count - keep - top)
        return _at_places(deltas.abs(), [low, low + keep - 1] if 0 < keep < count else [])

    return open_at


def balanced(weights: Sequence[float], density: float, gamma: float, near: float = 1e-6) -> Open:
    """Where, of what `middle_kept` keeps, the votes for both signs weigh the same up to rounding."""

    def open_at(deltas: torch.Tensor) -> torch.Tensor:
        count = deltas.shape[1]
        keep, top = int(density * count), int(gamma * count)
        ranks = deltas.abs().argsort(1).argsort(1)
        low = max(0, count - keep - top)
        votes = torch.tensor(weights)[:, None] * deltas * ((ranks >= low) & (ranks < low + keep))
        total = votes.double().sum(0).abs()
        return (total <= near * votes.double().abs().sum(0)) & votes.any(0)

    return open_at


def either(*rules: Open) -> Open:
    """Where one of several rules leaves a choice."""
    return lambda deltas: torch.stack([rule(deltas) for rule in rules]).any(0)


def most_varied(share: float, near: float = 1e-4) -> Open:
    """Where selecting the largest variances has; those within a part of `near` count, as they are rounded."""

    def open_at(deltas: torch.Tensor) -> torch.Tensor:
        variance = deltas.double().var(0, correction=0)
        keep = int(int((variance != 0).sum()) * share)
        if not keep:
            return torch.zeros(len(variance), dtype=torch.bool)
        edge = variance.kthvalue(len(variance) - keep + 1).values
        return (variance - edge).abs() <= near * edge

    return open_at


def _at_places(magnitudes: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
    """Elements that equal, not alone, what stands at one of these places of its row in ascending order."""
    found = torch.zeros(magnitudes.shape[1], dtype=torch.bool)
    for row in magnitudes:
        for place in places:
            equal = row == row.kthvalue(place + 1).values
            if int(equal.sum()) > 1:
                found |= equal
    return found


def _ulp(magnitude: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The distance of representable values at these magnitudes."""
    info = torch.finfo(dtype)
    exponent = torch.floor(torch.log2(magnitude.clamp(min=info.tiny)))
    return info.eps * torch.exp2(exponent)


def _ordered(values: torch.Tensor) -> torch.Tensor:
    """Integers that count representable values: neighbours differ by one, and both zeros are 0."""
    width = torch.int16 if values.element_size() == 2 else torch.int32
    bits = values.view(width).to(torch.int64)
    return torch.where(bits < 0, -(bits & torch.iinfo(width).max), bits)

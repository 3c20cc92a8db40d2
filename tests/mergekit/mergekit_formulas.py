"""The formulas of mergekit's methods, one whole tensor at a time, in float64."""

import torch


def trim(delta: torch.Tensor, density: float) -> torch.Tensor:
    keep = max(1, int(density * delta.numel()))
    out = torch.zeros_like(delta).flatten()
    largest = delta.flatten().abs().topk(keep).indices
    out[largest] = delta.flatten()[largest]
    return out.view_as(delta)


def linear(x: list[torch.Tensor], w: list[float], normalize: bool = True) -> torch.Tensor:
    total = sum(wi * xi for wi, xi in zip(w, x, strict=True))
    return total / sum(w) if normalize else total


def arithmetic(b, x: list[torch.Tensor], w: list[float], lam: float = 1, normalize: bool = False):
    return b + lam * sum(wi * (xi - b) for wi, xi in zip(w, x, strict=True)) / (sum(w) if normalize else 1)


def without_outliers(delta: torch.Tensor, density: float, gamma: float) -> torch.Tensor:
    keep, top = int(density * delta.numel()), int(gamma * delta.numel())
    bottom = max(0, delta.numel() - keep - top)
    out = torch.zeros_like(delta).flatten()
    middle = delta.flatten().abs().argsort()[bottom : bottom + keep]
    out[middle] = delta.flatten()[middle]
    return out.view_as(delta)


def breadcrumbs(b, x: list[torch.Tensor], w: list[float], density: float, gamma: float):
    parts = [without_outliers(xi - b, density, gamma) for xi in x]
    scales = [(xi - b).abs().sum() / part.abs().sum() for xi, part in zip(x, parts, strict=True)]
    return b + sum(wi * s * part for wi, s, part in zip(w, scales, parts, strict=True))


def ties(b, x: list[torch.Tensor], w: list[float], density, lam: float = 1, normalize: bool = True):
    densities = density if isinstance(density, list) else [density] * len(x)
    votes = [wi * trim(xi - b, p) for wi, xi, p in zip(w, x, densities, strict=True)]
    sign = torch.where(sum(votes) >= 0, 1.0, -1.0)
    agree = [torch.sign(v) == sign for v in votes]
    update = sum(v * m for v, m in zip(votes, agree, strict=True))
    share = sum(wi * m.double() for wi, m in zip(w, agree, strict=True))
    return b + lam * (update / torch.where(share == 0, 1.0, share) if normalize else update)


def arc(x: torch.Tensor, y: torch.Tensor, t: float):
    angle = torch.acos((x * y).sum() / (x.norm() * y.norm()))
    return (torch.sin((1 - t) * angle) * x + torch.sin(t * angle) * y) / torch.sin(angle)


def model_stock(b, x, y):
    dx, dy = x - b, y - b
    c = (dx * dy).sum() / (dx.norm() * dy.norm())
    return b + 2 * c / (1 + c) * (dx + dy) / 2

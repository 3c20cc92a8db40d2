"""A drawing of a graph in layers: every edge points down, with few crossings and few bends.

Layers by longest path; order within layers by barycentres, keeping the best order seen; places by least
squares under the order, alternating between layers. The same graph always gets the same places.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

BETWEEN, ABOVE, BEND = 22.0, 46.0, 14.0
SWEEPS = 12

Point = tuple[float, float]
Edge = tuple[str, str]


class Layout(NamedTuple):
    """`at` has the upper left corner of each box; `routes` the points of each edge, from box to box.

    A route has an even number of points: between the first and the second of a pair it may bend, from there
    to the next pair it runs straight down.
    """

    width: float
    height: float
    at: Mapping[str, Point]
    routes: Mapping[Edge, Sequence[Point]]


def layered(widths: Mapping[str, float], edges: Sequence[Edge], *, height: float) -> Layout:
    """Places for boxes of these widths and one height. `edges` are distinct and make no cycle."""
    rank = _ranks(widths, edges)
    chains: dict[Edge, tuple[str, ...]] = {}
    wide = dict(widths)
    for a, b in edges:
        between = [f"{a}\n{b}\n{layer}" for layer in range(rank[a] + 1, rank[b])]
        wide.update(dict.fromkeys(between, BEND))
        rank.update({bend: rank[a] + 1 + at for at, bend in enumerate(between)})
        chains[a, b] = (a, *between, b)
    links = [link for chain in chains.values() for link in pairwise(chain)]
    layers: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for name in wide:
        layers[rank[name]].append(name)
    layers = _ordered(layers, links)
    centre = _centres(layers, links, wide, chains.values())
    left = min((centre[name] - wide[name] / 2 for name in wide), default=0.0)
    right = max((centre[name] + wide[name] / 2 for name in wide), default=0.0)
    top = [layer * (height + ABOVE) for layer in range(len(layers))]
    at = {name: (centre[name] - wide[name] / 2 - left, top[rank[name]]) for name in widths}
    leaves = _ports(widths, edges, centre, chains, outgoing=True)
    enters = _ports(widths, edges, centre, chains, outgoing=False)
    routes = {}
    for edge, chain in chains.items():
        points = [(leaves[edge] - left, top[rank[edge[0]]] + height)]
        for bend in chain[1:-1]:
            x, y = centre[bend] - left, top[rank[bend]]
            points += [(x, y), (x, y + height)]
        routes[edge] = (*points, (enters[edge] - left, top[rank[edge[1]]]))
    return Layout(right - left, len(layers) * (height + ABOVE) - ABOVE if layers else 0.0, at, routes)


def _ranks(names: Mapping[str, float], edges: Sequence[Edge]) -> dict[str, int]:
    """The layer of each name; what has nothing above it stands as low as what it leads to allows."""
    above: dict[str, list[str]] = {name: [] for name in names}
    below: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        above[b].append(a)
        below[a].append(b)
    rank: dict[str, int] = {}
    for name in TopologicalSorter(above).static_order():
        rank[name] = max((rank[other] + 1 for other in above[name]), default=0)
    for name in names:
        if not above[name] and below[name]:
            rank[name] = min(rank[other] for other in below[name]) - 1
    return rank


# --- order --------------------------------------------------------------------------------


def _ordered(layers: list[list[str]], links: Sequence[Edge]) -> list[list[str]]:
    above, below = _neighbours(layers, links)
    best, least = layers, _crossings(layers, below)
    for sweep in range(SWEEPS):
        layers = [list(layer) for layer in layers]
        down = sweep % 2 == 0
        for at in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            fixed = {name: place for place, name in enumerate(layers[at - 1 if down else at + 1])}
            near = above if down else below
            keys = {
                name: sum(fixed[other] for other in near[name]) / len(near[name]) if near[name] else place
                for place, name in enumerate(layers[at])
            }
            layers[at].sort(key=keys.__getitem__)
        found = _crossings(layers, below)
        if found < least:
            best, least = layers, found
    return best


def _neighbours(
    layers: Sequence[Sequence[str]], links: Sequence[Edge]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {name: [] for layer in layers for name in layer}
    below: dict[str, list[str]] = {name: [] for name in above}
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _crossings(layers: Sequence[Sequence[str]], below: Mapping[str, Sequence[str]]) -> int:
    count = 0
    for upper, lower in pairwise(layers):
        place = {name: at for at, name in enumerate(lower)}
        seen: list[int] = []
        for name in upper:
            ends = sorted(place[other] for other in below[name])
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


# --- places -------------------------------------------------------------------------------


def _centres(
    layers: Sequence[Sequence[str]],
    links: Sequence[Edge],
    wide: Mapping[str, float],
    chains: Iterable[Sequence[str]],
) -> dict[str, float]:
    above, below = _neighbours(layers, links)
    # The bends of an edge all wish for the mean of the whole edge, so that it runs straight where it can.
    whole = {bend: chain for chain in chains for bend in chain[1:-1]}
    centre: dict[str, float] = {}
    for layer in layers:
        centre.update(zip(layer, _spaced(layer, dict.fromkeys(layer, 0.0), wide), strict=True))
    for sweep in range(3 * SWEEPS):
        # The last sweeps look both ways, so that neither end of an edge has the last word.
        both = sweep >= SWEEPS
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            wish = {}
            for name in layer:
                near = [*above[name], *below[name]] if both else above[name] if down else below[name]
                looks_at = whole.get(name, near)
                total = sum(centre[other] for other in looks_at)
                wish[name] = total / len(looks_at) if looks_at else centre[name]
            centre.update(zip(layer, _spaced(layer, wish, wide), strict=True))
    return centre


def _spaced(layer: Sequence[str], wish: Mapping[str, float], wide: Mapping[str, float]) -> list[float]:
    """The places nearest to what each wishes, by squares, that keep order and distance.

    Neighbours that would be too close move as one block to the mean of their wishes.
    """
    offset, offsets = 0.0, []
    for at, name in enumerate(layer):
        if at:
            offset += (wide[layer[at - 1]] + wide[name]) / 2 + BETWEEN
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for name, offset in zip(layer, offsets, strict=True):
        place, size = wish[name] - offset, 1
        while blocks and blocks[-1][0] > place:
            other, members = blocks.pop()
            place, size = (place * size + other * members) / (size + members), size + members
        blocks.append((place, size))
    starts = [place for place, size in blocks for _ in range(size)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _ports(
    widths: Mapping[str, float],
    edges: Sequence[Edge],
    centre: Mapping[str, float],
    chains: Mapping[Edge, Sequence[str]],
    *,
    outgoing: bool,
) -> dict[Edge, float]:
    """Where each edge leaves or enters its box: beside each other, in the order of where they lead."""
    of_box: dict[str, list[Edge]] = {}
    for edge in edges:
        of_box.setdefault(edge[0 if outgoing else 1], []).append(edge)
    found = {}
    for name, own in of_box.items():
        own.sort(key=lambda edge: centre[chains[edge][1 if outgoing else -2]])
        gap = min(14.0, (widths[name] - 28) / max(len(own) - 1, 1))
        for at, edge in enumerate(own):
            found[edge] = centre[name] + (at - (len(own) - 1) / 2) * gap
    return found

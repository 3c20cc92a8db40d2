"""Which tensors belong to which layer of a model, by their names alone, and what a stack of layers holds.

The layers of a model are the one list of numbered modules in it that stands in no other: `model.layers` in
`model.layers.3.self_attn.q_proj.weight`, `transformer.h`, `gpt_neox.layers`. Experts of a layer are numbered
as well, but inside of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS

Shape = tuple[int, ...]
HEAD = "lm_head.weight"


class NoLayers(ValueError):
    """The names hold no list of layers; the text says what they hold instead."""


class Layers(msgspec.Struct, frozen=True):
    """The layers `prefix.0` to `prefix.<count - 1>`."""

    prefix: str
    count: int

    def place(self, name: str) -> tuple[int, str] | None:
        """The number of the layer that a tensor belongs to and its name in there; None outside of layers."""
        if not name.startswith(f"{self.prefix}."):
            return None
        number, _, rest = name.removeprefix(f"{self.prefix}.").partition(".")
        return (int(number), rest) if _is_number(number) else None

    def name(self, number: int, rest: str) -> str:
        return f"{self.prefix}.{number}.{rest}" if rest else f"{self.prefix}.{number}"


def layers_of(names: Iterable[str]) -> Layers:
    """The layers of a model with tensors of these names. Raises NoLayers where that is not one list."""
    lists: dict[str, set[int]] = {}
    for name in names:
        parts = name.split(".")
        at = next((i for i, part in enumerate(parts) if i and _is_number(part)), None)
        if at is not None:
            lists.setdefault(".".join(parts[:at]), set()).add(int(parts[at]))
    if len(lists) != 1:
        found = ", ".join(f"`{prefix}`" for prefix in sorted(lists)[:4])
        raise NoLayers(f"its tensors are numbered in {found}" if lists else "none of its tensors is numbered")
    ((prefix, numbers),) = lists.items()
    missing = next((number for number in range(len(numbers)) if number not in numbers), None)
    if missing is not None:
        raise NoLayers(f"`{prefix}.{missing}` is missing before `{prefix}.{max(numbers)}`")
    return Layers(prefix, len(numbers))


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit()


def comes_first(name: str) -> bool:
    """Whether a tensor outside of the layers is used before them: embeddings, and what belongs to them."""
    parts = name.split(".")
    return name not in TIED_HEADS and any("emb" in part or part in ("wte", "wpe") for part in parts)


def embedding_of(names: Iterable[str]) -> str | None:
    """The input embedding among these tensors; None where not exactly one is."""
    found = [name for name in names if name.endswith(EMBEDDINGS)]
    return found[0] if len(found) == 1 else None


class Range(msgspec.Struct, frozen=True):
    """Layers `start` to `stop - 1` of a model with these tensors, without a head that is its embedding."""

    shapes: Mapping[str, Shape]
    layers: Layers
    start: int
    stop: int

    @property
    def tied(self) -> bool:
        return TIED_HEADS.isdisjoint(self.shapes)

    @property
    def inside(self) -> dict[int, dict[str, Shape]]:
        """The tensors of each layer of the range, by their names in it."""
        found: dict[int, dict[str, Shape]] = {number: {} for number in range(self.start, self.stop)}
        for name, shape in self.shapes.items():
            place = self.layers.place(name)
            if place is not None and place[0] in found:
                found[place[0]][place[1]] = shape
        return found

    @property
    def ends(self) -> dict[str, Shape]:
        """The tensors outside of all layers, heads left out: a tied model has none of its own."""
        return {
            name: shape
            for name, shape in self.shapes.items()
            if self.layers.place(name) is None and name not in TIED_HEADS
        }


class Piece(msgspec.Struct, frozen=True):
    """Tensor `name` of a stack: tensor `of` of the model of range number `part`, `layered` if of a layer."""

    name: str
    part: int
    of: str
    layered: bool


def stack_pieces(ranges: Sequence[Range], *, one_model: bool) -> tuple[Piece, ...]:
    """Every tensor of a stack by name: the layers of all ranges, numbered anew, and both ends.

    What comes before the layers is the first model's, what comes after them the last one's; `one_model` says
    that these are the same. The embedding of a tied last model is written as a head of its own, unless it is
    the embedding of the stack too.
    """
    pieces: list[Piece] = []
    number, last = 0, len(ranges) - 1
    for part, range_ in enumerate(ranges):
        for name in range_.shapes:
            place = range_.layers.place(name)
            if place is None and part == (0 if comes_first(name) else last):
                pieces.append(Piece(name, part, name, layered=False))
            elif place is not None and range_.start <= place[0] < range_.stop:
                to = range_.layers.name(number + place[0] - range_.start, place[1])
                pieces.append(Piece(to, part, name, layered=True))
        number += range_.stop - range_.start
    embedding = embedding_of(ranges[last].shapes)
    if ranges[last].tied and not one_model and embedding is not None:
        pieces.append(Piece(HEAD, last, embedding, layered=False))
    return tuple(sorted(pieces, key=lambda piece: piece.name))

"""Mixture-of-experts models out of dense ones: which tensor comes from where, by names and shapes alone.

Attention, norms and embeddings are the base's. The MLP of each expert, whole, is one expert of the layer; a
router has a row for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from fusec.compiler.facts import TIED_HEADS
from fusec.compiler.layers import Shape, layers_of

MLP = ("gate_proj", "up_proj", "down_proj")
_ATTENTION = tuple(f"self_attn.{part}_proj.weight" for part in "qkvo")
_BIASES = tuple(f"self_attn.{part}_proj.bias" for part in "qkv")
_ENDS = ("model.embed_tokens.weight", "model.norm.weight")
_LAYER = (
    "input_layernorm.weight",
    "post_attention_layernorm.weight",
    *_ATTENTION,
    *(f"mlp.{part}.weight" for part in MLP),
)


class MoeArch(msgspec.Struct, frozen=True):
    """An architecture with experts, as checkpoints of it name their tensors.

    `of` are the architectures of dense models that compute alike but for the MLP, `block` is the module of a
    layer that holds the experts, `parts` what it calls the `MLP` of one. A base has the tensors `needs` in
    each layer and may have `takes`, all of them or none. With `shared` every token goes through one more
    expert.
    """

    of: tuple[str, ...]
    block: str
    parts: tuple[str, str, str] = MLP
    shared: bool = False
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    def expert(self, number: int | None, part: str) -> str:
        """Where a layer keeps a part of the MLP of expert `number`; of the shared one where that is None."""
        if number is None:
            return f"{self.block}.shared_expert.{part}.weight"
        return f"{self.block}.experts.{number}.{self.parts[MLP.index(part)]}.weight"


ARCHS: Mapping[str, MoeArch] = {
    "mixtral": MoeArch(("llama", "mistral"), "block_sparse_moe", ("w1", "w3", "w2")),
    "qwen2_moe": MoeArch(("qwen2", "llama", "mistral"), "mlp", shared=True, takes=_BIASES),
    "qwen3_moe": MoeArch(("qwen3",), "mlp", needs=("self_attn.q_norm.weight", "self_attn.k_norm.weight")),
}


class Piece(msgspec.Struct, frozen=True):
    """Tensor `name` of the result: tensor `of` of a model, or rows that are made for layer `layer`.

    `number` is the expert that it comes from.
    """

    name: str
    shape: Shape
    origin: Literal["base", "expert", "shared", "router", "shared_gate"]
    of: str = ""
    number: int = 0
    layer: int = 0


def misfit(arch: MoeArch, shapes: Mapping[str, Shape]) -> str:
    """What keeps a model with these tensors from being the base; empty where nothing does.

    Raises NoLayers where the names hold no list of layers.
    """
    layers = layers_of(shapes)
    if layers.prefix != "model.layers":
        return f"its layers are `{layers.prefix}`, not `model.layers`"
    found: dict[int, set[str]] = {}
    for name in shapes:
        place = layers.place(name)
        if place is not None:
            found.setdefault(place[0], set()).add(place[1])
        elif name not in _ENDS and name not in TIED_HEADS:
            return f"`{name}` has no place in the result"
    needed = {*_LAYER, *arch.needs}
    biased = set(arch.takes) if set(arch.takes) <= found[0] else set()
    for number in range(layers.count):
        has, wanted = found[number], needed | biased
        if has != wanted:
            rest = min(wanted - has or has - wanted)
            missing = rest in wanted
            name = layers.name(number, rest)
            return f"it has no `{name}`" if missing else f"`{name}` has no place in the result"
    return ""


def moe_pieces(arch: MoeArch, shapes: Mapping[str, Shape], experts: int) -> tuple[Piece, ...]:
    """Every tensor of the result, by name, for a base with these tensors that is no misfit."""
    layers = layers_of(shapes)
    pieces: list[Piece] = []
    dense = {f"mlp.{part}.weight": part for part in MLP}
    for name, shape in shapes.items():
        place = layers.place(name)
        part = dense.get(place[1]) if place else None
        if place is None or part is None:
            pieces.append(Piece(name, shape, "base", name))
            continue
        layer = place[0]
        pieces += [
            Piece(layers.name(layer, arch.expert(e, part)), shape, "expert", name, e, layer)
            for e in range(experts)
        ]
        if arch.shared:
            pieces.append(Piece(layers.name(layer, arch.expert(None, part)), shape, "shared", name, 0, layer))
    hidden = shapes["model.norm.weight"][0]
    for layer in range(layers.count):
        router = layers.name(layer, f"{arch.block}.gate.weight")
        pieces.append(Piece(router, (experts, hidden), "router", layer=layer))
        if arch.shared:
            gate = layers.name(layer, f"{arch.block}.shared_expert_gate.weight")
            pieces.append(Piece(gate, (1, hidden), "shared_gate", layer=layer))
    return tuple(sorted(pieces, key=lambda piece: piece.name))

"""The architectures `init` can make from nothing: their sizes, tensors and cost, known without torch.

`arch_tensors` lists exactly what the kernel writes, so the weight space of a model that does not exist
yet is as certain as one read from a header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

Shape = tuple[int, ...]
Tensors = tuple[tuple[str, Shape], ...]


@dataclass(frozen=True, kw_only=True)
class Size:
    """The sizes of one transformer, every default filled in. `head` is the width of one head."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head: int
    intermediate: int
    context: int
    tie_embeddings: bool
    vocab: int


def size(name: str, args: Mapping[str, Any], vocab: int) -> Size:
    """The sizes that `args` mean for architecture `name` with a tokenizer of `vocab` tokens.

    Needs `layers`, `hidden` and `heads`; the rest may be absent or None. Raises ValueError with one
    sentence when the sizes contradict each other.
    """
    arch = ARCHS[name]
    given = {key: value for key, value in args.items() if value is not None}
    hidden, heads = given["hidden"], given["heads"]
    kv_heads = given.get("kv_heads", heads)
    rows = given.get("vocab", vocab)
    if hidden % heads:
        raise ValueError(f"hidden ({hidden}) is not a multiple of heads ({heads})")
    if heads % kv_heads:
        raise ValueError(f"heads ({heads}) is not a multiple of kv_heads ({kv_heads})")
    if arch.rotary and hidden // heads % 2:
        raise ValueError(f"a head of {name} is {hidden // heads} wide, rotary positions need an even width")
    if not arch.grouped and kv_heads != heads:
        raise ValueError(f"{name} has no grouped attention, so kv_heads must be {heads}, not {kv_heads}")
    if rows < vocab:
        raise ValueError(f"vocab ({rows}) is less than the {vocab} tokens of the tokenizer")
    return Size(
        layers=given["layers"],
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head=hidden // heads,
        intermediate=given.get("intermediate", arch.intermediate(hidden)),
        context=given.get("context", 2048),
        tie_embeddings=given.get("tie_embeddings", arch.tied),
        vocab=rows,
    )


def arch_tensors(name: str, args: Mapping[str, Any], vocab: int) -> Tensors:
    """(tensor name, shape) of every tensor in the folder that `init` writes, sorted by name."""
    return tuple(sorted(ARCHS[name].tensors(size(name, args, vocab))))


def parameters(name: str, args: Mapping[str, Any], vocab: int) -> int:
    """How many weights the model has; tied ones count once."""
    return sum(prod(shape) for _, shape in arch_tensors(name, args, vocab))


def flops_per_token(name: str, args: Mapping[str, Any], vocab: int) -> float:
    """FLOPs to train on one token, forward and backward: 6 per weight, attention scores left out."""
    return 6.0 * parameters(name, args, vocab)


# --- the table ---------------------------------------------------------------


@dataclass(frozen=True)
class Arch:
    tensors: Callable[[Size], Tensors]
    intermediate: Callable[[int], int]
    tied: bool
    rotary: bool
    grouped: bool


def _swiglu_width(hidden: int) -> int:
    """Two thirds of 4 x hidden, rounded up to a multiple of 16: as many weights as a plain MLP."""
    return -(-8 * hidden // 3 // 16) * 16


def _llama(s: Size) -> Tensors:
    q, kv = s.heads * s.head, s.kv_heads * s.head
    layer: Tensors = (
        ("input_layernorm.weight", (s.hidden,)),
        ("mlp.down_proj.weight", (s.hidden, s.intermediate)),
        ("mlp.gate_proj.weight", (s.intermediate, s.hidden)),
        ("mlp.up_proj.weight", (s.intermediate, s.hidden)),
        ("post_attention_layernorm.weight", (s.hidden,)),
        ("self_attn.k_proj.weight", (kv, s.hidden)),
        ("self_attn.o_proj.weight", (s.hidden, q)),
        ("self_attn.q_proj.weight", (q, s.hidden)),
        ("self_attn.v_proj.weight", (kv, s.hidden)),
    )
    return (
        ("model.embed_tokens.weight", (s.vocab, s.hidden)),
        ("model.norm.weight", (s.hidden,)),
        *_repeat("model.layers", s, layer),
        *_head(s),
    )


def _qwen3(s: Size) -> Tensors:
    norms: Tensors = (("self_attn.k_norm.weight", (s.head,)), ("self_attn.q_norm.weight", (s.head,)))
    return (*_llama(s), *_repeat("model.layers", s, norms))


def _gpt2(s: Size) -> Tensors:
    # GPT-2 keeps its projections as (in, out), the transpose of a linear layer.
    layer: Tensors = (
        ("attn.c_attn.bias", (3 * s.hidden,)),
        ("attn.c_attn.weight", (s.hidden, 3 * s.hidden)),
        ("attn.c_proj.bias", (s.hidden,)),
        ("attn.c_proj.weight", (s.hidden, s.hidden)),
        ("ln_1.bias", (s.hidden,)),
        ("ln_1.weight", (s.hidden,)),
        ("ln_2.bias", (s.hidden,)),
        ("ln_2.weight", (s.hidden,)),
        ("mlp.c_fc.bias", (s.intermediate,)),
        ("mlp.c_fc.weight", (s.hidden, s.intermediate)),
        ("mlp.c_proj.bias", (s.hidden,)),
        ("mlp.c_proj.weight", (s.intermediate, s.hidden)),
    )
    return (
        ("transformer.ln_f.bias", (s.hidden,)),
        ("transformer.ln_f.weight", (s.hidden,)),
        ("transformer.wpe.weight", (s.context, s.hidden)),
        ("transformer.wte.weight", (s.vocab, s.hidden)),
        *_repeat("transformer.h", s, layer),
        *_head(s),
    )


def _repeat(prefix: str, s: Size, layer: Tensors) -> Tensors:
    return tuple((f"{prefix}.{n}.{name}", shape) for n in range(s.layers) for name, shape in layer)


def _head(s: Size) -> Tensors:
    return () if s.tie_embeddings else (("lm_head.weight", (s.vocab, s.hidden)),)


ARCHS: Mapping[str, Arch] = {
    "gpt2": Arch(_gpt2, lambda hidden: 4 * hidden, tied=True, rotary=False, grouped=False),
    "llama": Arch(_llama, _swiglu_width, tied=False, rotary=True, grouped=True),
    "qwen3": Arch(_qwen3, _swiglu_width, tied=True, rotary=True, grouped=True),
}

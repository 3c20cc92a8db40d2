"""Which layer a tensor belongs to is read from its name, whatever the architecture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.layers import Layers, NoLayers, Range, comes_first, layers_of, stack_pieces


@pytest.mark.parametrize(
    ("names", "prefix", "count"),
    [
        (["model.embed_tokens.weight", "model.layers.0.mlp.w", "model.layers.1.mlp.w"], "model.layers", 2),
        (["transformer.wte.weight", "transformer.h.0.attn.bias"], "transformer.h", 1),
        (["wte.weight", "h.0.attn.bias", "h.1.attn.bias", "h.2.attn.bias"], "h", 3),
        (["gpt_neox.embed_in.weight", "gpt_neox.layers.0.attention.dense.weight"], "gpt_neox.layers", 1),
        (["model.layers.0.experts.0.w1", "model.layers.0.experts.7.w1", "lm_head.weight"], "model.layers", 1),
        ([f"model.layers.{n}.w" for n in range(12)], "model.layers", 12),
    ],
)
def test_the_outermost_numbered_list_holds_the_layers(names, prefix, count):
    assert layers_of(names) == Layers(prefix, count)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["lm_head.weight"], "none of its tensors is numbered"),
        (["encoder.block.0.w", "decoder.block.0.w"], "numbered in `decoder.block`, `encoder.block`"),
        (
            ["model.layers.0.w", "model.layers.2.w"],
            r"`model\.layers\.1` is missing before",
        ),
    ],
)
def test_anything_else_is_not_guessed(names, says):
    with pytest.raises(NoLayers, match=says):
        layers_of(names)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("model.embed_tokens.weight", True),
        ("transformer.wpe.weight", True),
        ("transformer.word_embeddings_layernorm.bias", True),
        ("gpt_neox.embed_in.weight", True),
        ("model.norm.weight", False),
        ("transformer.ln_f.bias", False),
        ("lm_head.weight", False),
        ("embed_out.weight", False),
    ],
)
def test_embeddings_come_before_the_layers_and_the_rest_behind(name, first):
    assert comes_first(name) is first


def model(layers: int) -> dict[str, tuple[int, ...]]:
    inner = {f"model.layers.{n}.{rest}": (2, 2) for n in range(layers) for rest in ("a.weight", "b.0.weight")}
    return {"model.embed_tokens.weight": (4, 2), "model.norm.weight": (2,), "lm_head.weight": (4, 2), **inner}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=5))
def test_a_stack_is_the_list_of_its_layers(spans):
    shapes = model(7)
    ranges = [Range(shapes, layers_of(shapes), start, start + length) for start, length in spans]
    pieces = stack_pieces(ranges, one_model=True)
    names = [piece.name for piece in pieces]
    assert len(set(names)) == len(names)
    wanted = [number for start, length in spans for number in range(start, start + length)]
    assert layers_of(names).count == len(wanted)
    for piece in pieces:
        place = layers_of(names).place(piece.name)
        if place is not None:
            assert piece.of == f"model.layers.{wanted[place[0]]}.{place[1]}"

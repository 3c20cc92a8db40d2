"""A family of valid Hugging Face models whose experts differ from their base in known places.

    python bench/merge/family.py DIR [--megabytes 700] [--experts 16] [--seed 0]

Writes DIR/base, DIR/expert00, ... and DIR/family.json, which says what was planted: for every expert and
block the energy of its update (the squared norm of expert minus base, of the values as stored). Everything
is drawn block by block, so memory is that of one tensor whatever the size and number of models.

A block is `block_bytes` of one stored tensor, counted from its start. Shares are of blocks:

    frozen tensors   equal to the base in all experts (the embedding and the head always are)
    equal            equal to the base in one expert
    hot              carry nearly all of the update
    shared           changed alike by an expert and its neighbour
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.hf_folder import ModelWriter, PlannedTensor

F32 = NDArray[np.float32]
NAMED = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
STORED: dict[str, np.dtype] = {
    "BF16": np.dtype(np.uint16),
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
}
TRUTH = "family.json"
_BYTE_TOKENS = 256
_WEIGHT_SCALE = 0.02


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama; `parameters` counts what is stored, head and embedding apart."""

    hidden: int
    layers: int
    vocab: int

    @property
    def intermediate(self) -> int:
        return self.hidden * 11 // 4

    @property
    def heads(self) -> int:
        return max(1, self.hidden // 64)

    @property
    def kv_heads(self) -> int:
        return max(1, self.heads // 4)

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        narrow = self.kv_heads * self.head_dim
        yield "model.embed_tokens.weight", (self.vocab, self.hidden)
        for i in range(self.layers):
            layer = f"model.layers.{i}"
            yield f"{layer}.self_attn.q_proj.weight", (self.hidden, self.hidden)
            yield f"{layer}.self_attn.k_proj.weight", (narrow, self.hidden)
            yield f"{layer}.self_attn.v_proj.weight", (narrow, self.hidden)
            yield f"{layer}.self_attn.o_proj.weight", (self.hidden, self.hidden)
            yield f"{layer}.mlp.gate_proj.weight", (self.intermediate, self.hidden)
            yield f"{layer}.mlp.up_proj.weight", (self.intermediate, self.hidden)
            yield f"{layer}.mlp.down_proj.weight", (self.hidden, self.intermediate)
            yield f"{layer}.input_layernorm.weight", (self.hidden,)
            yield f"{layer}.post_attention_layernorm.weight", (self.hidden,)
        yield "model.norm.weight", (self.hidden,)
        yield "lm_head.weight", (self.vocab, self.hidden)

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for _, shape in self.tensors())

    def config(self, dtype: str) -> dict[str, object]:
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": False,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "dtype": NAMED[dtype],
        }


@dataclass(frozen=True)
class Plant:
    """What differs where. Scales are standard deviations of an update before it is rounded to the dtype."""

    seed: int = 0
    block_bytes: int = 1 << 20
    frozen: float = 0.1
    equal: float = 0.1
    hot: float = 0.05
    shared: float = 0.1
    hot_scale: float = 4e-3
    cold_scale: float = 1e-4


def shape_of(megabytes: float, dtype: str = "BF16") -> Shape:
    """The widest Llama of at least a dozen layers that takes about so many MB (10^6 bytes)."""
    wanted = megabytes * 1e6 / STORED[dtype].itemsize
    for hidden in (4096, 2048, 1024, 512, 256, 128, 64):
        vocab = max(_BYTE_TOKENS + 16, 8 * hidden)
        none, one = Shape(hidden, 0, vocab).parameters, Shape(hidden, 1, vocab).parameters
        layers = round((wanted - none) / (one - none))
        if layers >= 12:
            return Shape(hidden, layers, vocab)
    return Shape(64, max(2, layers), vocab)


def write_family(
    folder: Path,
    experts: int,
    shape: Shape,
    *,
    dtype: str = "BF16",
    shard_bytes: int = 5_000_000_000,
    plant: Plant = Plant(),
) -> list[Path]:
    """Writes base, experts and what was planted; gives the model folders, the base first.

    `dtype` as safetensors calls it. More than one shard where `shard_bytes` is less than a model.
    """
    models = [folder / "base", *(folder / f"expert{i:02d}" for i in range(experts))]
    planned = [PlannedTensor(name, dtype, size) for name, size in shape.tensors()]
    energy: list[dict[str, list[float]]] = [{} for _ in range(experts)]
    with ExitStack() as stack:
        writers = []
        for model in models:
            model.mkdir(parents=True)
            (model / "config.json").write_text(json.dumps(shape.config(dtype), indent=2) + "\n")
            write_tokenizer(model)
            if model is not models[0]:
                (model / "README.md").write_text("---\nbase_model: ../base\n---\n")
            writers.append(stack.enter_context(ModelWriter(model, planned, shard_bytes=shard_bytes)))
        for number, tensor in enumerate(planned):
            _write_tensor(number, tensor, writers, energy, plant)
    truth = {"plant": asdict(plant), "shape": asdict(shape), "dtype": dtype, "experts": experts}
    names = [model.name for model in models[1:]]
    truth |= {"energy": dict(zip(names, energy, strict=True))}
    (folder / TRUTH).write_text(json.dumps(truth) + "\n")
    return models


def _write_tensor(
    number: int,
    tensor: PlannedTensor,
    writers: Sequence[ModelWriter],
    energy: Sequence[dict[str, list[float]]],
    plant: Plant,
) -> None:
    stored = STORED[tensor.dtype]
    step = plant.block_bytes // stored.itemsize
    size = math.prod(tensor.shape)
    outer = tensor.name in ("model.embed_tokens.weight", "lm_head.weight")
    frozen = outer or _draw(plant.seed, number).random() < plant.frozen
    base, *experts = writers
    for row in energy:
        row[tensor.name] = []
    for block, start in enumerate(range(0, size, step)):
        count = min(step, size - start)
        values = _normal(_draw(plant.seed, number, block), count, _WEIGHT_SCALE)
        if len(tensor.shape) == 1:
            values += 1
        raw, values = _rounded(values, tensor.dtype)
        base.write(tensor.name, start * stored.itemsize, raw)
        for i, writer in enumerate(experts):
            scale, owner = (0.0, i) if frozen else _change(plant, number, block, i)
            if scale:
                moved = values + _normal(_draw(plant.seed, number, block, 1 + owner), count, scale)
                changed, moved = _rounded(moved, tensor.dtype)
                moved -= values
                energy[i][tensor.name].append(float(np.dot(moved, moved)))
            else:
                changed = raw
                energy[i][tensor.name].append(0.0)
            writer.write(tensor.name, start * stored.itemsize, changed)


def _change(plant: Plant, tensor: int, block: int, expert: int) -> tuple[float, int]:
    """How far an expert moves a block, and whose random numbers it takes for it."""
    shared = _draw(plant.seed, tensor, block, 1000).random() < plant.shared
    owner = expert - expert % 2 if shared else expert
    u = _draw(plant.seed, tensor, block, 2000 + owner).random()
    if u < plant.hot:
        return plant.hot_scale, owner
    return (0.0, owner) if u < plant.hot + plant.equal else (plant.cold_scale, owner)


def _draw(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


def _normal(draw: np.random.Generator, count: int, scale: float) -> F32:
    values = draw.standard_normal(count, np.float32)
    values *= np.float32(scale)
    return values


def _rounded(values: F32, dtype: str) -> tuple[NDArray, F32]:
    """The values as stored, to nearest with ties to even, and what they then are."""
    if dtype != "BF16":
        stored = values.astype(STORED[dtype])
        return stored, stored.astype(np.float32)
    bits = values.view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> np.uint32(16)
    return upper.astype(np.uint16), (upper << np.uint32(16)).view(np.float32)


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of the 256 bytes, as the `transformers` library stores one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate(["<s>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--megabytes", type=float, default=700, help="size of each model")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--dtype", choices=sorted(NAMED), default="BF16")
    parser.add_argument("--shard-megabytes", type=float, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    shape = shape_of(args.megabytes, args.dtype)
    write_family(
        args.folder,
        args.experts,
        shape,
        dtype=args.dtype,
        shard_bytes=int(args.shard_megabytes * 1e6),
        plant=Plant(seed=args.seed),
    )
    size = shape.parameters * STORED[args.dtype].itemsize
    print(f"{args.folder}: {args.experts} experts of {size / 1e6:.0f} MB, {shape}")


if __name__ == "__main__":
    main()

"""How long a sweep over the budget of a merge takes, once its first value is planned.

    python bench/sweep.py [--experts 8] [--points 100] [--profile]

The models have the shapes of a Llama of 7 billion parameters in bfloat16 but no weights: sparse files with
true headers, beside a catalog whose inner products are drawn. Each value of the sweep goes the whole way
from the text of the spec to a plan, as `fusec plan --sweep` does. The bound is 1 s for 100 values.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fusec.cli.planning import Wish
from fusec.cli.sweep import plans_of
from fusec.cli.sweep_values import points
from fusec.compiler.reads.grid import BLOCK, block_count
from fusec.runtime.analysis.columns_store import ColumnSet, ColumnsStore, weights_stamp
from fusec.runtime.analysis.sketch import WIDTH as SKETCH
from fusec.runtime.analysis.tables import GramTable, ModelTable
from fusec.runtime.catalog import Catalog
from fusec.runtime.session import Session

BOUND = 1.0
WIDTH, INNER, VOCABULARY, LAYERS = 4096, 11008, 32000, 32
LAYER = {
    "input_layernorm": (WIDTH,),
    "mlp.down_proj": (WIDTH, INNER),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "post_attention_layernorm": (WIDTH,),
    "self_attn.k_proj": (WIDTH, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.v_proj": (WIDTH, WIDTH),
}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "tie_word_embeddings": False,
}


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "model.embed_tokens.weight", (VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        for name, shape in LAYER.items():
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (WIDTH,)
    yield "lm_head.weight", (VOCABULARY, WIDTH)


def write_project(folder: Path, experts: int) -> Path:
    """A spec that merges experts under a budget, the models it names, and a store that knows them."""
    names = ["base", *(f"expert{number}" for number in range(experts))]
    for name in names:
        _write_model(folder / name)
    lines = ["edition 2026", "param reads = 10%", 'model base from "./base"']
    lines += [f'model {name}: Model[_, _, root: base] from "./{name}"' for name in names[1:]]
    merge = f"base: base, experts: [{', '.join(names[1:])}], method: average, expert_reads: reads"
    lines += [f"model merged = merge {{ {merge} }}", 'output merged to "./out"', ""]
    spec = folder / "merge.fuse"
    spec.write_text("\n".join(lines), encoding="utf-8")
    _write_catalog(folder, names)
    return spec


def _write_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    header, at = {}, 0
    for name, shape in shapes():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)


def _write_catalog(folder: Path, names: list[str]) -> None:
    """Columns as an analysis with inner products leaves them, drawn log-normal per tensor and block."""
    (folder / ".fusec").mkdir()
    catalog = Catalog(folder / ".fusec/catalog.db")
    store, rng = ColumnsStore(catalog), np.random.default_rng(0)
    experts = len(names) - 1
    roots = [f"{number:064x}" for number in range(len(names))]
    models: list[dict[str, bytes]] = [{} for _ in names]
    grams = {}
    for name, shape in shapes():
        blocks = block_count(math.prod(shape))
        for tables in models:
            tables[name] = _model_table(name, shape, blocks, rng).encode()
        grams[name] = _gram_table(name, experts, blocks, rng).encode()
    sets = [(ColumnSet("model", root, (), BLOCK), t) for root, t in zip(roots, models, strict=True)]
    store.add([*sets, (ColumnSet("gram", roots[0], tuple(roots[1:]), BLOCK), grams)])
    for name, root in zip(names, roots, strict=True):
        store.remember(folder / name, weights_stamp(folder / name), root)
    catalog.close()


def _model_table(name: str, shape: tuple[int, ...], blocks: int, rng: np.random.Generator) -> ModelTable:
    return ModelTable(
        name=name,
        dtype="BF16",
        shape=shape,
        block=BLOCK,
        root=rng.bytes(32),
        hashes=rng.integers(0, 256, (blocks, 16), np.uint8),
        norm2=rng.lognormal(5, 0.1, blocks),
        largest=np.ones(blocks, np.float32),
        nonfinite=np.zeros(blocks, np.int64),
        zeros=np.zeros(blocks, np.int64),
        sketch=np.zeros((blocks, SKETCH), np.float32),
    )


def _gram_table(name: str, experts: int, blocks: int, rng: np.random.Generator) -> GramTable:
    """Changes of experts that agree a little, as those of one family do."""
    size = rng.lognormal(-3, 1, (1, experts)) * rng.lognormal(0, 1, (blocks, experts))
    together = size[:, :, None] * size[:, None, :] * (0.1 + 0.9 * np.eye(experts))
    rows, columns = np.triu_indices(experts)
    total = np.zeros((experts + 1, experts + 1))
    total[1:, 1:], total[0, 0] = together.sum(axis=0), 1.0
    return GramTable(name=name, block=BLOCK, blocks=together[:, rows, columns], total=total)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--experts", type=int, default=8)
    arguments.add_argument("--points", type=int, default=100)
    arguments.add_argument("--profile", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = write_project(Path(folder), options.experts)
        session = Session(spec)
        began = time.perf_counter()
        list(plans_of(session, {}, Wish(), points(["reads=10%"]), draft=True))
        first = time.perf_counter() - began
        swept = points([f"reads=1%..100%/{options.points}"])
        profile = cProfile.Profile()
        if options.profile:
            profile.enable()
        began, spent = time.perf_counter(), time.process_time()
        rows = list(plans_of(session, {}, Wish(), swept, draft=True))
        rest, work = time.perf_counter() - began, time.process_time() - spent
        profile.disable()
    if options.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    known = [task.reads.physical for row in rows for task in row.plan.tasks if task.reads is not None]
    assert known == sorted(known) and len(known) >= len(rows) - 1, "a budget reads more than a smaller one"
    print(f"{options.experts} experts of 7B, {known[0] / 1e9:.1f} to {known[-1] / 1e9:.1f} GB read of them")
    print(f"the first plan     {first:6.2f} s")
    each = f"{rest / len(rows) * 1000:.1f} ms each"
    print(f"{len(rows):3} values more    {rest:6.2f} s, {each}; {work:.2f} s of processor time")
    return int(rest >= BOUND * len(rows) / 100)


if __name__ == "__main__":
    sys.exit(main())

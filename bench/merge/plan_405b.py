"""How long planning takes for a family as large as they come, without any weights.

    python bench/merge/plan_405b.py [--experts 16] [--share 0.1]

The shapes are those of a decoder of 405 billion parameters (126 layers, width 16384), bfloat16, in blocks of
1 MiB; the norms of the changes are drawn, log-normal per layer, tensor, expert and block. Prints the seconds
of the pass and of a budget, the peak resident memory, and what the plan promises.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np

from fusec.compiler.reads.access import encode
from fusec.compiler.reads.columns import TensorColumns
from fusec.compiler.reads.grid import BLOCK, block_count
from fusec.compiler.reads.ladder import plan_reads
from fusec.compiler.reads.request import Additive, Request

WIDTH, INNER, KEYS, VOCABULARY, LAYERS = 16384, 53248, 1024, 128256, 126
LAYER = {
    "input_layernorm": WIDTH,
    "mlp.down_proj": WIDTH * INNER,
    "mlp.gate_proj": WIDTH * INNER,
    "mlp.up_proj": WIDTH * INNER,
    "post_attention_layernorm": WIDTH,
    "self_attn.k_proj": WIDTH * KEYS,
    "self_attn.o_proj": WIDTH * WIDTH,
    "self_attn.q_proj": WIDTH * WIDTH,
    "self_attn.v_proj": WIDTH * KEYS,
}
SHARD, HEADER = 4_500_000_000, 18_504


def shapes() -> Iterator[tuple[str, int]]:
    yield "model.embed_tokens.weight", VOCABULARY * WIDTH
    for layer in range(LAYERS):
        for name, elements in LAYER.items():
            yield f"model.layers.{layer}.{name}.weight", elements
    yield "model.norm.weight", WIDTH
    yield "lm_head.weight", VOCABULARY * WIDTH


def family(experts: int) -> Iterator[TensorColumns]:
    """Columns tensor by tensor, shards of 4.5 GB; every expert in files of its own."""
    rng = np.random.default_rng(0)
    shard, offset = 0, HEADER
    for name, elements in shapes():
        if offset + 2 * elements > SHARD:
            shard, offset = shard + 1, HEADER
        blocks = block_count(elements)
        strength = rng.lognormal(-6, 1, (experts, 1)) * rng.lognormal(0, 1, (experts, blocks))
        yield TensorColumns(
            name=name,
            elements=elements,
            block=BLOCK,
            files=np.arange(experts) * 1000 + shard,
            start=np.full(experts, offset),
            itemsize=np.full(experts, 2),
            zero=np.zeros((experts, blocks), bool),
            owner=np.repeat(np.arange(experts, dtype=np.int32)[:, None], blocks, axis=1),
            norm2=strength**2,
            gram=None,
            exact=True,
            fixed=np.zeros(experts, np.int64),
        )
        offset += 2 * elements


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--experts", type=int, default=16)
    arguments.add_argument("--share", type=float, default=0.1)
    options = arguments.parse_args()
    coefficients = np.full(options.experts, 1 / options.experts)

    began = time.perf_counter()
    ladder = plan_reads(family(options.experts), Request(Additive(lambda _: coefficients)))
    planned = time.perf_counter()
    access = ladder.at(int(ladder.total * options.share))
    done = time.perf_counter()
    stored = encode(access)
    certificate = access.certificate
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{options.experts} experts, {ladder.total / 1e12:.2f} TB, {options.share:.0%} of it allowed")
    print(f"the pass, columns drawn    {planned - began:6.2f} s")
    print(f"one budget                 {done - planned:6.2f} s")
    print(f"both                       {done - began:6.2f} s, {used.ru_utime + used.ru_stime:.2f} s of CPU")
    print(f"peak resident memory       {used.ru_maxrss / 2**20:6.2f} GiB")
    print(f"access set, stored         {len(stored) / 1e6:6.2f} MB, digest {access.digest[:16]}")
    print(f"physical / budget          {access.physical / (ladder.total * options.share):9.5f}")
    print(f"physical / logical         {access.physical / access.logical:9.5f}")
    print(f"expected error / update    {certificate.expected / certificate.update:9.5f}")
    print(f"bound on error / update    {certificate.of_update:9.5f}")
    print(f"proven slack               {access.slack:9.2e} of the squared update")


if __name__ == "__main__":
    main()

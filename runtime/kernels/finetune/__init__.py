"""finetune: all weights of a model trained further on data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusec.runtime.hf_folder import copy_companions
from fusec.runtime.kernel import Artifact, Context
from fusec.runtime.kernels.data.stream import data_bytes
from fusec.runtime.kernels.train.encode import encode, layout
from fusec.runtime.kernels.train.folder import context_of, load, quiet
from fusec.runtime.kernels.train.loop import Recipe, steps_of, train
from fusec.runtime.kernels.train.save import payload, save_like
from fusec.runtime.kernels.train.sequences import pack, scratch_folder, spool, truncate


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with the trained model, in the dtypes of the base and with its config and tokenizer.

    Training keeps fp32 weights and rounds once, at the end. Plain text is packed end to end into blocks
    of `context` tokens; a row with a prompt and a response is a sequence of its own, cut off at
    `context`, and a `truncated` event tells how many were.
    """
    base: Artifact = inputs["model"]
    data: Artifact = inputs["data"]
    with quiet(), scratch_folder(ctx) as scratch:
        net, tokenizer = load(base)
        context = context_of(net, slots["context"])
        how = layout(data)
        rows = encode(data, tokenizer, how)
        cut: list[int] = []
        blocks = pack(rows, context) if how == "text" else truncate(rows, context, cut)
        sequences = spool(blocks, scratch)
        if cut:
            ctx.emit("truncated", rows=len(cut), first=cut[0], context=context)
        batch, accumulate = slots["batch"], slots["accumulate"]
        steps = slots["steps"] or steps_of(slots["epochs"] or 1.0, len(sequences), batch, accumulate)
        recipe = Recipe(
            steps=steps,
            lr=slots["lr"],
            batch=batch,
            accumulate=accumulate,
            schedule=slots["schedule"],
            warmup=slots["warmup"],
            weight_decay=slots["weight_decay"],
        )
        train(net, sequences, recipe, ctx)
        save_like(net, base, ctx.out)
        copy_companions(base.path, ctx.out, dtype=None)
    ctx.meter.bytes_read += payload(base.path) + data_bytes(data)
    ctx.meter.bytes_written += payload(ctx.out)

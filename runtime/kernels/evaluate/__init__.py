"""evaluate: how well a model predicts held-out text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from fusec.runtime.determinism import deterministic
from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.data.stream import data_bytes
from fusec.runtime.kernels.train.encode import IGNORED, encode, layout
from fusec.runtime.kernels.train.folder import context_of, load, quiet
from fusec.runtime.kernels.train.loss import token_losses
from fusec.runtime.kernels.train.save import payload
from fusec.runtime.kernels.train.sequences import Sequences, collate, scratch_folder, spool, windows

Metrics = dict[str, float]


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with `report.json`: loss, perplexity, accuracy and tokens.

    Keyed data gives one entry per key; `average` weighs every key alike: mean loss, its exponential as
    perplexity, mean accuracy, all tokens. One data set without a key gives its metrics at the top and as
    `average`.
    """
    model: Artifact = inputs["model"]
    data: tuple[tuple[str, Artifact], ...] = inputs["data"]
    keys = [key for key, _ in data]
    if "average" in keys:
        raise RunError("a data set is called `average`, the name of the mean", hint="give it another key")
    if len(set(keys)) < len(keys):
        raise RunError(
            f"{len(keys)} data sets have no keys to report them by", hint='write ["name": data, ...]'
        )
    keyed = keys != [""]
    with quiet(), deterministic(0, ctx.threads):
        net, tokenizer = load(model)
        net.eval()
        torch.nn.Module.to(net, ctx.device)
        measured = {}
        for n, (key, part) in enumerate(data, 1):
            measured[key] = measure(net, tokenizer, part, slots, ctx, where=f" of `{key}`" if keyed else "")
            ctx.emit("progress", done=n, total=len(data), unit="datasets")
    ctx.meter.bytes_read += payload(model.path) + sum(data_bytes(part) for _, part in data)
    report: dict[str, Any] = dict(measured) if keyed else dict(measured[""])
    report["average"] = average(list(measured.values()))
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (ctx.out / "report.json").write_text(text, encoding="utf-8")


def measure(
    net: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: Artifact,
    slots: Mapping[str, Any],
    ctx: Context,
    *,
    where: str = "",
) -> Metrics:
    """Mean next-token cross-entropy in nats, perplexity, top-1 accuracy and the tokens they rest on.

    Rows longer than the context are cut into disjoint windows. The first token of a window is read, not
    scored, for nothing stands before it; the end-of-sequence token is scored; of a prompt with a response
    only the response is. The forward pass and log-softmax run in fp32 whatever the dtype of the folder,
    sums in fp64, so the batch size matters to about 1e-7.
    """
    context = context_of(net, slots["context"])
    loss, right, tokens, read = 0.0, 0, 0, 0
    with scratch_folder(ctx) as scratch, torch.inference_mode():
        encoded = encode(data, tokenizer, layout(data))
        sequences = spool(windows(encoded, context), scratch)
        for batch in batches(sequences, slots["batch"]):
            inputs = {key: t.to(net.device) for key, t in collate([sequences[n] for n in batch]).items()}
            ctx.pulse()
            labels = inputs.pop("labels")
            logits = net(**inputs, use_cache=False).logits
            losses = token_losses(logits, labels)
            broken = ~torch.isfinite(losses).all(dim=1)
            if broken.any():
                row = sequences.row[batch[int(broken.nonzero()[0])]]
                raise RunError(
                    f"the model gives a loss that is not finite on row {row} of the data{where}",
                    hint="its weights overflow: look at the scale of the merge or at the learning rate",
                )
            scored = labels[:, 1:] != IGNORED
            loss += losses.double().sum().item()
            right += int((logits[:, :-1].argmax(-1) == labels[:, 1:])[scored].sum())
            tokens += int(scored.sum())
            read += int(inputs["attention_mask"].sum())
    ctx.meter.tokens += read
    ctx.meter.flops += 2.0 * sum(p.numel() for p in net.parameters()) * read
    return {**_metrics(loss / tokens), "accuracy": right / tokens, "tokens": tokens}


def average(measured: list[Metrics]) -> Metrics:
    """Every data set weighs alike; perplexity is that of the mean loss; tokens are summed."""
    mean = sum(m["loss"] for m in measured) / len(measured)
    accuracy = sum(m["accuracy"] for m in measured) / len(measured)
    return {**_metrics(mean), "accuracy": accuracy, "tokens": sum(int(m["tokens"]) for m in measured)}


def batches(sequences: Sequences, size: int) -> Iterator[list[int]]:
    """Indices of all sequences, longest first, so that a batch holds little padding."""
    order = np.argsort(-sequences.lengths(), kind="stable")
    for start in range(0, len(order), size):
        yield [int(n) for n in order[start : start + size]]


def _metrics(loss: float) -> Metrics:
    if loss > 700:
        raise RunError(
            f"the mean loss is {loss:.4g} nats, a perplexity beyond any number",
            hint="the model is broken: look at the scale of the merge or at the learning rate",
        )
    return {"loss": loss, "perplexity": math.exp(loss)}

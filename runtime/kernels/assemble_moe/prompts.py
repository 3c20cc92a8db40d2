"""Where the states of a model point on prompts of each kind: the rows of a router."""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from fusec.runtime.determinism import deterministic
from fusec.runtime.kernel import Artifact, Context, Method, RunError
from fusec.runtime.kernels.train import rows
from fusec.runtime.kernels.train.folder import context_of, load, quiet
from fusec.runtime.kernels.train.save import payload

_BATCH = 8

F64 = NDArray[np.float64]


def mean_states(router: Method, base: Artifact, *, experts: int, ctx: Context) -> F64:
    """(layers, experts, hidden) rows of length 1; with `state: embedding`, one for all layers.

    `data` and, unless it is empty, `negative` of the router have a data set for each expert. RunError for
    data without a prompt, and for an expert whose mean is no direction.
    """
    data: tuple[Artifact, ...] = router["data"]
    negative: tuple[Artifact, ...] = router["negative"]
    distinct = {part.id: part for part in (*data, *negative)}
    with quiet(), deterministic(0, ctx.threads):
        net, tokenizer = load(base)
        net.eval()
        torch.nn.Module.to(net, ctx.device)
        means = {}
        for n, (id_, part) in enumerate(distinct.items(), 1):
            means[id_] = _mean(net, tokenizer, part, router, ctx)
            ctx.emit("progress", done=n, total=len(distinct), unit="datasets")
    ctx.meter.bytes_read += payload(base.path)
    found = []
    for expert in range(experts):
        row = means[data[expert].id]
        if negative:
            row = row - means[negative[expert].id]
        length = np.linalg.norm(row, axis=-1, keepdims=True)
        if not (length > 1e-9 * np.abs(row).max(initial=1.0)).all():
            raise RunError(
                f"the prompts of expert {expert + 1} do not differ from its negative prompts in the mean",
                hint="give it other prompts, or leave `negative` out",
            )
        found.append(row / length)
    return np.stack(found, axis=1)


def _mean(
    net: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, data: Artifact, router: Method, ctx: Context
) -> F64:
    """(layers or 1, hidden): the mean of the states over the prompts, each prompt alike."""
    texts = _texts(data, router["examples"])
    context = context_of(net, None)
    total: F64 | float = 0.0
    count = 0
    for start in range(0, len(texts), _BATCH):
        tokens = [ids[-context:] for ids in tokenizer(texts[start : start + _BATCH])["input_ids"]]
        for n, ids in enumerate(tokens):
            if not ids:
                raise RunError(f"prompt {start + n + 1} is empty", hint="a prompt has at least one token")
        # Padded on the right: no token sees what stands behind it.
        longest = max(map(len, tokens))
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in tokens], device=net.device)
        mask = torch.tensor(
            [[*[1] * len(row), *[0] * (longest - len(row))] for row in tokens], device=net.device
        )
        states = _states(net, ids, mask, router["state"])
        total = total + _pooled(states, mask, router["state"]).sum(1).cpu().numpy()
        count += len(tokens)
        ctx.meter.tokens += int(mask.sum())
        if router["state"] != "embedding":
            ctx.meter.flops += 2.0 * sum(p.numel() for p in net.parameters()) * int(mask.sum())
    return np.asarray(total / count)


@torch.inference_mode()
def _states(net: PreTrainedModel, ids: Tensor, mask: Tensor, state: str) -> Tensor:
    """(layers or 1, prompts, tokens, hidden): what enters each layer, in float64."""
    if state == "embedding":
        embed = net.get_input_embeddings()
        return embed(ids)[None].double()
    out = net(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
    return torch.stack(out.hidden_states[:-1]).double()


def _pooled(states: Tensor, mask: Tensor, state: str) -> Tensor:
    """(layers or 1, prompts, hidden): the last token of each prompt, or the mean over its tokens."""
    lengths = mask.sum(1)
    if state == "last":
        return states[:, torch.arange(len(lengths), device=states.device), lengths - 1]
    return (states * mask[None, :, :, None]).sum(2) / lengths[None, :, None]


def _texts(data: Artifact, most: int) -> list[str]:
    column = next((name for name in ("prompt", "text") if name in rows.columns(data)), "prompt")
    texts = list(islice((text for _, batch in rows.read_text(data, column) for text in batch), most))
    if not texts:
        raise RunError("the data of a router holds no prompt", hint="look at the rows that reach it")
    return texts

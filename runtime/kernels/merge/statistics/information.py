"""The Fisher information of the weights of an expert: the mean of squared gradients over its data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.merge.statistics.files import ArrayFile
from fusec.runtime.kernels.merge.statistics.reading import place_of, reading, require_finite
from fusec.runtime.kernels.train.loss import token_losses
from fusec.runtime.sources.safetensors_header import read_model_headers

_PIECE = 1 << 20

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Information:
    """F of every weight by the name of its tensor in model files; `norm` is that of the whole model."""

    arrays: ArrayFile
    same: Mapping[str, str]  # tied weights are one: name of a tensor -> name in `arrays`
    norm: float

    def flat(self, name: str) -> F32 | None:
        """F in flat order; None for a tensor that the model has no use for."""
        return self.arrays[self.same[name]].reshape(-1) if name in self.same else None


def information(
    expert: Artifact,
    data: Artifact,
    names: Collection[str],
    *,
    examples: int,
    context: int | None,
    folder: Path,
    ctx: Context,
) -> Information:
    """The mean over examples of the squared gradient of the log-likelihood; float32, in a file in `folder`.

    An example is a row, its log-likelihood the sum over the tokens that count. `names` are the tensors of the
    result. RunError where weights of the model have other names in its files.
    """
    with reading(expert, data, examples=examples, context=context, folder=folder, ctx=ctx) as read:
        net = read.net
        same = _parameters(net, names, expert)
        weights = dict(net.named_parameters())
        arrays = ArrayFile(folder / "fisher", {n: tuple(w.shape) for n, w in weights.items()}, np.float32)
        # On this machine sums are the file; on a device they are beside the weights until the end.
        sums = {
            name: torch.from_numpy(arrays[name]) if ctx.device == "cpu" else torch.zeros_like(weight)
            for name, weight in weights.items()
        }
        count = sum(weight.numel() for weight in weights.values())
        for n in range(len(read.sequences)):
            tokens = _add_example(net, *read.batch([n]), sums, int(read.sequences.row[n]), expert)
            ctx.meter.tokens += tokens
            ctx.meter.flops += 6.0 * count * tokens
        for name, total in sums.items():
            total /= len(read.sequences)
            if ctx.device != "cpu":
                arrays[name][...] = total.cpu().numpy()
    norm = _norm(arrays)
    if not isfinite(norm):
        raise RunError(
            f"the expert in {expert.path} gives gradients that are not finite",
            hint="its weights overflow: look at how it was trained",
        )
    return Information(arrays, same, norm)


def _add_example(
    net: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    labels: Tensor,
    sums: Mapping[str, Tensor],
    row: int,
    expert: Artifact,
) -> int:
    """Adds the squared gradients of one example; returns the tokens that were read."""
    net.zero_grad(set_to_none=True)
    losses = token_losses(net(**inputs, use_cache=False).logits, labels)
    require_finite(losses, row, expert)
    losses.sum().backward()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.grad is not None:
                sums[name].addcmul_(weight.grad, weight.grad)
    return int(inputs["attention_mask"].sum())


def _parameters(net: PreTrainedModel, names: Collection[str], expert: Artifact) -> dict[str, str]:
    """What `net` calls the parameter behind each of the tensors `names`, and of those in its own files."""
    state = net.state_dict()
    called = {weight.data_ptr(): name for name, weight in net.named_parameters()}
    found: dict[str, str] = {}
    for name in {*names, *read_model_headers(expert.path).tensors}:
        place = place_of(name, net, state)
        if place is not None and state[place].data_ptr() in called:
            found[name] = called[state[place].data_ptr()]
    missing = set(called.values()) - set(found.values())
    if missing:
        raise RunError(
            f"the files of {expert.path} hold `{min(missing)}` in parts of other names, so gradients of it "
            "cannot be told apart",
            hint="fisher takes dense models",
        )
    return found


def _norm(arrays: Mapping[str, NDArray[Any]]) -> float:
    total = 0.0
    for name in arrays:
        flat = arrays[name].reshape(-1)
        for start in range(0, flat.size, _PIECE):
            piece = flat[start : start + _PIECE].astype(np.float64)
            total += float(piece @ piece)
    return sqrt(total)

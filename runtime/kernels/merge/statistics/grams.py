"""What enters the linear layers of an expert, as inner products: `X^T X / N` over N tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.merge.statistics.files import ArrayFile
from fusec.runtime.kernels.merge.statistics.reading import place_of, reading

_BATCH = 8

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Grams:
    """Inner products of the inputs of each linear weight, by the name of the weight in model files."""

    arrays: ArrayFile
    same: Mapping[str, str]  # layers that share an input share its matrix: name -> name in `arrays`
    tokens: int
    across: Collection[str]  # weights that are stored as (in, out), the transpose of a linear layer

    def __contains__(self, name: str) -> bool:
        return name in self.same

    def matrix(self, name: str, alpha: float) -> F64:
        """(c, c) for c inputs, with what lies off the diagonal times `alpha`."""
        made = np.array(self.arrays[self.same[name]])
        made /= self.tokens
        diagonal = np.diagonal(made).copy()
        made *= alpha
        np.fill_diagonal(made, diagonal)
        return made


def input_grams(
    expert: Artifact,
    data: Artifact,
    names: Collection[str],
    *,
    examples: int,
    context: int | None,
    folder: Path,
    ctx: Context,
) -> Grams:
    """The Gram matrices of an expert for those of the weights `names` that belong to linear layers.

    All tokens of the first `examples` rows count, padding does not; sums are float64, in a file in `folder`.
    """
    with reading(expert, data, examples=examples, context=context, folder=folder, ctx=ctx) as read:
        layers = _linear_layers(read.net, names)
        shapes = {name: (_inputs(layer),) * 2 for name, layer in layers.items()}
        sums = _Sums(ArrayFile(folder / "grams", shapes, np.float64), expert)
        weights = sum(weight.numel() for weight in read.net.parameters())
        with torch.inference_mode(), _watched(layers, sums):
            for start in range(0, len(read.sequences), _BATCH):
                numbers = list(range(start, min(start + _BATCH, len(read.sequences))))
                inputs, _ = read.batch(numbers)
                sums.counts = inputs["attention_mask"].flatten().bool()
                read.net(**inputs, use_cache=False)
                tokens = int(sums.counts.sum())
                sums.tokens += tokens
                ctx.meter.tokens += tokens
                ctx.meter.flops += 2.0 * weights * tokens
    across = {name for name, layer in layers.items() if isinstance(layer, Conv1D)}
    return Grams(sums.arrays, sums.same, sums.tokens, frozenset(across))


class _Sums:
    """Inner products of inputs, added up while a model computes."""

    def __init__(self, arrays: ArrayFile, expert: Artifact) -> None:
        self.arrays, self.expert = arrays, expert
        self.same: dict[str, str] = {}
        self.tokens = 0
        self.counts = torch.empty(0, dtype=torch.bool)  # which of the tokens of a batch are no padding
        self._last: tuple[str, Tensor] | None = None

    def add(self, name: str, inputs: Tensor) -> None:
        """Takes in what enters the layer `name`, unless the layer before it took in the same."""
        if name not in self.same:
            shared = self._last is not None and self._last[1] is inputs
            self.same[name] = self._last[0] if shared and self._last else name
        if self.same[name] != name:
            return
        self._last = name, inputs
        flat = inputs.reshape(-1, inputs.shape[-1])
        if len(flat) != len(self.counts):
            raise RunError(
                f"`{name}` of {self.expert.path} does not see every token, so its inputs cannot be weighed",
                hint="regmean takes dense models",
            )
        rows = flat[self.counts.to(flat.device)].double()
        products = rows.T @ rows
        if not torch.isfinite(products).all():
            raise RunError(
                f"`{name}` of {self.expert.path} gets inputs that are not finite",
                hint="its weights overflow: look at how it was trained",
            )
        torch.from_numpy(self.arrays[name]).add_(products.cpu())


@contextmanager
def _watched(layers: Mapping[str, nn.Module], sums: _Sums) -> Iterator[None]:
    """A scope in which what enters the layers goes into the sums too."""

    def watch(name: str) -> Any:
        return lambda module, inputs: sums.add(name, inputs[0])

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _linear_layers(net: PreTrainedModel, names: Collection[str]) -> dict[str, nn.Module]:
    """The linear layer of each of the tensors `names` that is the weight of one and of nothing else."""
    state = net.state_dict()
    layers: dict[str, nn.Module] = {}
    embedding = net.get_input_embeddings().weight
    for name in sorted(names):
        place = place_of(name, net, state)
        if place is not None and place.endswith(".weight"):
            module = net.get_submodule(place.removesuffix(".weight"))
            # A head that is the embedding has to stay the embedding.
            if isinstance(module, (nn.Linear, Conv1D)) and module.weight is not embedding:
                layers[name] = module
    return layers


def _inputs(layer: nn.Module) -> int:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.shape[0] if isinstance(layer, Conv1D) else weight.shape[1]

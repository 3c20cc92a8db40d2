"""A LoRA adapter as PEFT stores it: which tensors of the base it changes, and where the factors lie.

Keys are `base_model.model.<module>.lora_A.weight` (rank, in) and `lora_B.weight` (out, rank) for linear
modules, `lora_embedding_A` (rank, rows) and `lora_embedding_B` (width, rank) for embeddings, and the plain
name of a tensor that is stored whole. A key that nothing reads is refused.
"""

from __future__ import annotations

import math
from pathlib import Path

from msgspec import Struct

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS
from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.standin import is_there
from fusec.runtime.sources.adapter_config import CONFIG, AdapterConfig, read_adapter_config
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.safetensors_header import Header, TensorInfo, read_header

WEIGHTS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"

_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"
_EMBEDDING_A, _EMBEDDING_B = ".lora_embedding_A", ".lora_embedding_B"
_OTHER_OF = {_A: _B, _B: _A, _EMBEDDING_A: _EMBEDDING_B, _EMBEDDING_B: _EMBEDDING_A}
_FLOATS = ("BF16", "F16", "F32")


class Factor(Struct, frozen=True):
    """A stored factor; `across` says that its first axis is the rank."""

    tensor: TensorInfo
    across: bool

    @property
    def length(self) -> int:
        return self.tensor.shape[self.across]


class Product(Struct, frozen=True):
    """A change of shape (left.length, right.length): `scale` times the sum of `rank` outer products."""

    left: Factor
    right: Factor
    rank: int
    scale: float


class AdapterPart(Struct, frozen=True):
    """What an adapter says about the tensor `name` of the base: a new value, a change on top, or both."""

    name: str
    shape: tuple[int, ...]
    whole: TensorInfo | None = None
    product: Product | None = None

    @property
    def bytes(self) -> int:
        """Payload bytes that are read for it."""
        stored = [self.whole] if self.whole else []
        stored += [self.product.left.tensor, self.product.right.tensor] if self.product else []
        return sum(info.bytes for info in stored)


class Adapter(Struct, frozen=True):
    """An adapter from its configuration and its header; `parts` sorted by name."""

    path: Path
    header: Header
    config: AdapterConfig
    parts: tuple[AdapterPart, ...]


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder, headers only. Raises `Unusable` naming the setting or the tensor."""
    config, path = read_adapter_config(folder), folder / WEIGHTS
    if not is_there(path):
        pickled = (folder / PICKLE).is_file()
        what = f"has its weights only as pickle ({PICKLE}), which runs code when read"
        raise Unusable(
            "missing",
            f"the adapter {what if pickled else f'has no {WEIGHTS}'}",
            hint="load it where it is trusted and save it with safe_serialization=True" if pickled else "",
            where=path,
        )
    try:
        header = read_header(path)
    except RunError as error:
        raise Unusable("damaged", error.what, hint=error.hint, where=path) from error
    return Adapter(path, header, config, _Reader(path, header, config).parts())


class _Reader:
    def __init__(self, path: Path, header: Header, config: AdapterConfig) -> None:
        self.path, self.config = path, config
        self.stored = {info.name: info for info in header.tensors}

    def parts(self) -> tuple[AdapterPart, ...]:
        found: dict[str, AdapterPart] = {}
        for key in sorted(self.stored):
            part = self._part(key)
            before = found.get(part.name, part)
            if before.shape != part.shape:
                shapes = f"{list(before.shape)} and {list(part.shape)}"
                raise self._damaged(f"holds `{part.name}` both as {shapes}")
            found[part.name] = AdapterPart(
                part.name, part.shape, part.whole or before.whole, part.product or before.product
            )
        if not found:
            raise self._damaged("holds no tensor")
        return tuple(found[name] for name in sorted(found))

    def _part(self, key: str) -> AdapterPart:
        info = self.stored[key]
        if not key.startswith(_PREFIX):
            raise self._damaged(f"holds `{key}`, which does not start with `{_PREFIX}`")
        if info.dtype not in _FLOATS:
            raise self._refused(f"holds `{key}` as {info.dtype}; {', '.join(_FLOATS)} can be read")
        if ".lora_magnitude_vector" in key:
            raise self._refused(f"holds `{key}` of DoRA, which scales the sum of base and change by its norm")
        name = key.removeprefix(_PREFIX)
        for end, other in _OTHER_OF.items():
            if name.endswith(end):
                return self._product(key.removesuffix(end), end, other)
        name = name.replace(".base_layer.", ".")
        if not (self.config.saves(name) or name.endswith(EMBEDDINGS) or name in TIED_HEADS):
            raise self._damaged(f"holds `{key}`, which {CONFIG} does not account for")
        return AdapterPart(name, info.shape, whole=info)

    def _product(self, start: str, end: str, other: str) -> AdapterPart:
        if start + other not in self.stored:
            raise self._damaged(f"holds `{start}{end}` and no `{start}{other}`")
        first, second = sorted((end, other))
        a, b = self.stored[start + first], self.stored[start + second]
        for info in (a, b):
            if len(info.shape) != 2:
                raise self._refused(f"holds `{info.name}` of shape {list(info.shape)}; factors are matrices")
        if a.shape[0] != b.shape[1]:
            raise self._damaged(
                f"holds factors of two ranks: `{a.name}` is {list(a.shape)}, `{b.name}` is {list(b.shape)}"
            )
        module = start.removeprefix(_PREFIX)
        rank, scale = a.shape[0], self.config.scale(module)
        stated = self.config.rank(module)
        if rank != stated:
            raise self._damaged(f"holds `{a.name}` of rank {rank}, and {CONFIG} says {stated}")
        if not math.isfinite(scale) or abs(scale) > 3e38:
            raise self._damaged(f"belongs to a {CONFIG} with the factor {scale:g} for `{module}`")
        down, up = Factor(a, across=True), Factor(b, across=False)
        # A is (rank, in) and B (out, rank); embeddings and transposed linear modules store W as (in, out).
        turned = end in (_EMBEDDING_A, _EMBEDDING_B) or self.config.fan_in_fan_out
        left, right = (down, up) if turned else (up, down)
        shape = (left.length, right.length)
        return AdapterPart(f"{module}.weight", shape, product=Product(left, right, rank, scale))

    def _damaged(self, what: str) -> Unusable:
        return Unusable("damaged", f"{WEIGHTS} {what}", where=self.path)

    def _refused(self, what: str) -> Unusable:
        hint = "merge the adapter into its base where it was trained, and use the whole model"
        return Unusable("unsupported", f"{WEIGHTS} {what}", hint=hint, where=self.path)

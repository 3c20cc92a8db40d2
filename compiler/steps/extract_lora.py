"""extract_lora: what a model changed, as an adapter of low rank."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from math import prod
from typing import Annotated, Literal

from annotated_types import Ge

from fusec.compiler.coordinates import check_same_coordinates
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES, TensorFact, space_fingerprint
from fusec.compiler.lora import changeable, is_linear
from fusec.compiler.slots import Model
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import DeltaType, ModelType, Space, Type, Unknown

Shapes = Mapping[str, tuple[int, ...]]

SVD_FLOPS = 12.0
"""Operations of a singular value decomposition for each element and row of the shorter side."""


class ExtractLora(Step, verb="extract_lora", grade="seeded", kernel="extract_lora", subject="model"):
    """Approximate what a model changed in a base by an adapter, in the layout of PEFT.

    The change D = X - B of every linear weight becomes the product of two factors: the largest singular
    values of D, at most `rank`, and only those above `epsilon` and above what fp32 can tell from 0. Each
    factor takes the root of a singular value, and alpha is the rank. Norms, biases, embeddings and heads that
    changed are stored whole, except a head that is the embedding, which no adapter holds. `target` names the
    tensors that may change and `keep` those that stay the base's (glob patterns).

    `extraction.json` beside the adapter states for each tensor, and in all, what the truncation leaves out:
    the root of the sum of the squares of the singular values dropped, also relative to the change.

    The bits of a decomposition depend on the machine and the number of threads, so the grade is `seeded`.

    Example:

    ```fuse
    delta skill = math |> extract_lora { base: base, rank: 16 }
    ```
    """

    model: Model
    base: Model
    rank: Annotated[int, Ge(1)]
    epsilon: Annotated[float, Ge(0)] = 0.0
    target: tuple[str, ...] = ("*",)
    keep: tuple[str, ...] = ()
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"

    loads = ("torch",)

    def gives(self, site: Site) -> Type:
        check_same_coordinates(site, self.base, self.model, site.at("model"))
        base = self.base.type
        if not isinstance(base, ModelType):
            return Unknown()
        root, identity = base.root or base.identity, f"%{site.name}"
        shapes = site.shapes_of(base.space.fingerprint)
        if shapes is None:  # only a step of a package knows them: the delta may change anything
            return DeltaType(base.space, self.dtype, identity, root, rank=self.rank)
        changes = changeable(shapes, self.target, self.keep)
        if not self._patterns_hit(site, shapes, changes):
            return Unknown()
        space = self._space(base, changes)
        site.know_space(space.fingerprint, changes)
        ranks = (self._rank(shape) for name, shape in changes.items() if is_linear(name, shape))
        return DeltaType(space, self.dtype, identity, root, rank=max(ranks, default=0))

    def _patterns_hit(self, site: Site, shapes: Shapes, changes: Shapes) -> bool:
        """Whether every pattern names a tensor and something is left to change; reports what does not."""
        for slot, patterns in (("target", self.target), ("keep", self.keep)):
            for index, pattern in enumerate(patterns):
                if not any(fnmatchcase(name, pattern) for name in shapes):
                    allowed, at = f"a pattern of names such as `{min(shapes)}`", site.at(slot, index)
                    site.report(OutOfRange(at=at, what=slot, got=f"`{pattern}`", allowed=allowed))
                    return False
        if not changes:
            at = site.at("keep" if self.keep else "target")
            allowed = "patterns that leave a tensor which an adapter can change"
            site.report(OutOfRange(at=at, what="`target` without `keep`", got="empty", allowed=allowed))
        return bool(changes)

    def _space(self, base: ModelType, changes: Shapes) -> Space:
        fingerprint = space_fingerprint(TensorFact(name, "", shape) for name, shape in changes.items())
        width = base.space.bytes / base.space.params
        size = 0.0
        for name, shape in changes.items():
            factors = self._rank(shape) * sum(shape) * DTYPE_BYTES[self.dtype]
            size += factors if is_linear(name, shape) else prod(shape) * width
        return Space(
            name=f"adapter_{fingerprint[:6]}",
            fingerprint=fingerprint,
            tensors=len(changes),
            params=sum(map(prod, changes.values())),
            bytes=round(size),
            vocab=0,
        )

    def _rank(self, shape: tuple[int, ...]) -> int:
        return min(self.rank, *shape)

    def order(self, ids: dict[str, str]) -> ExtractLora:
        target, keep = (tuple(sorted(set(patterns))) for patterns in (self.target, self.keep))
        return self.model_copy(update={"target": target, "keep": keep})

    def cost(self, result: Type) -> Cost:
        reads = model_bytes(self.model.type) + model_bytes(self.base.type)
        params = result.space.params if isinstance(result, DeltaType) else 0
        tensors = result.space.tensors if isinstance(result, DeltaType) else 1
        side = (params / max(tensors, 1)) ** 0.5
        flops, size = params * side * SVD_FLOPS, float(model_bytes(result))
        held = 4 * side * side * 6
        return Cost(
            reads=exactly(reads),
            writes=Range(0, size, size),
            expert_reads=exactly(model_bytes(self.model.type)),
            flops=Range(flops * 0.5, flops, flops * 8),
            memory=Range(64e6 + held, 256e6 + held * 4 + size, 512e6 + held * 16 + size * 2),
        )

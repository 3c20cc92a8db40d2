"""merge: combine experts of one weight space into one model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from annotated_types import Gt

from fusec.compiler.coordinates import check_same_coordinates
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES
from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.slots import Experts, MethodOf, Model, Size, Weighted
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.codes.fuse302_read_budget_too_small import ReadBudgetTooSmall
from fusec.lang.types import DeltaType, ModelType, Type, Unknown
from fusec.lang.units import quantity_text


class Merge(Step, verb="merge", kernel="merge", subject="base"):
    """Combine experts of one weight space into one model.

    Experts are models, or deltas: a LoRA adapter, a `task_vector`. Methods of deltas take a delta as it is,
    methods of weights the base plus the delta; tensors that a delta leaves out are the base's. Experts are
    read tensor by tensor and combined in fp32 with one rounding; the result does not depend on their order.
    `keep` lists tensors (glob patterns) that stay the base's byte for byte, `dtype` is the stored type (the
    base's by default), `expert_reads` bounds the expert bytes that may be read.

    Example:

    ```fuse
    model both = merge {
      base: base
      experts: [math, code]
      method: ties(density: 0.2)
    }
    ```
    """

    base: Model
    experts: Experts
    method: Annotated[MergeMethod, MethodOf("merge")]
    keep: tuple[str, ...] = ()
    dtype: Literal["fp32", "bf16", "fp16"] | None = None
    shard_size: Annotated[Size, Gt(0)] = 5_000_000_000
    expert_reads: Size | None = None

    def gives(self, site: Site) -> Type:
        if not self.experts:
            site.report(EmptyList(at=site.at("experts"), slot="experts", verb="merge"))
            return Unknown()
        for index, expert in enumerate(self.experts):
            check_same_coordinates(site, self.base, expert.input, site.at("experts", index))
        self._check_weights(site)
        self._check_budget(site)
        base = self.base.type
        if not isinstance(base, ModelType):
            return Unknown()
        dtype = self.dtype or base.dtype
        space = base.space
        if self.dtype is not None and base.dtype in DTYPE_BYTES:
            size = space.bytes * DTYPE_BYTES[dtype] // DTYPE_BYTES[base.dtype]
            space = msgspec.structs.replace(space, bytes=size)
        return ModelType(space, dtype, f"%{site.name}", base.root or base.identity, base.tokenizer)

    def _check_weights(self, site: Site) -> None:
        weights = [expert.weight for expert in self.experts]
        if not self.method.weighted and any(weight is not None for weight in weights):
            site.report(
                OutOfRange(
                    at=site.at("experts"),
                    what=f"`{self.method.name}`",
                    got="weights beside the experts",
                    allowed="a plain list; `linear` takes weights",
                )
            )
        total = sum(1.0 if weight is None else weight for weight in weights)
        if self.method.divides and total == 0:
            site.report(
                OutOfRange(
                    at=site.at("experts"),
                    what="the sum of the weights",
                    got="0",
                    allowed="a sum other than 0 when the method normalizes",
                )
            )

    def _check_budget(self, site: Site) -> None:
        needs = self._expert_bytes()
        if self.expert_reads is not None and self.expert_reads < needs:
            site.report(
                ReadBudgetTooSmall(
                    at=site.at("expert_reads"),
                    verb="merge",
                    needs=quantity_text(needs, "Size"),
                    allows=quantity_text(self.expert_reads, "Size"),
                )
            )

    def _expert_bytes(self) -> int:
        passes = self.method.passes(len(self.experts)).experts
        return sum(_reads(expert.input.type, passes) for expert in self.experts)

    def cost(self, result: Type) -> Cost:
        passes = self.method.passes(len(self.experts))
        deltas = [expert.input.type for expert in self.experts if isinstance(expert.input.type, DeltaType)]
        # Without the base, weights that are the base plus a delta cannot be had.
        base = max(passes.base, int(bool(deltas))) * model_bytes(self.base.type)
        experts = self._expert_bytes()
        params = result.space.params if isinstance(result, ModelType) else 0
        work = 4.0 * params * (len(self.experts) + 1) * passes.experts
        work += sum(2.0 * delta.rank * delta.space.params * passes.experts for delta in deltas)
        # Tensors that `keep` names are copied from the base; how many bytes that is, names alone do not say.
        kept = float(model_bytes(self.base.type)) if self.keep else 0.0
        least = 0.0 if self.keep else 1.0
        return Cost(
            reads=Range(least * (experts + base), experts + base, experts + base + kept),
            writes=exactly(model_bytes(result)),
            expert_reads=Range(least * experts, experts, experts),
            flops=Range(work, work * 2, work * 4),
            memory=Range(64e6, 192e6, 512e6),
        )

    def order(self, ids: dict[str, str]) -> Step:
        def rank(expert: Weighted) -> tuple[str, str, float]:
            return ids[expert.input.ref.node], expert.input.ref.key, expert.weight or 0.0

        experts = tuple(sorted(self.experts, key=rank))
        if all(expert.weight in (None, 1.0) for expert in experts):
            experts = tuple(Weighted(expert.input, None) for expert in experts)
        keep = tuple(sorted(set(self.keep)))
        return self.model_copy(update={"experts": experts, "keep": keep})


def _reads(expert: Type, passes: int) -> int:
    """Bytes read of an expert; the factors of an adapter are held for all passes over their tensor."""
    held = isinstance(expert, DeltaType) and expert.rank
    return model_bytes(expert) * (1 if held else passes)

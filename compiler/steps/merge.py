"""merge: combine experts of one weight space into one model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from annotated_types import Gt, Lt

from fusec.compiler.coordinates import check_same_coordinates
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES
from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.reads.limits import Analysis, allowed_bytes, check_limits
from fusec.compiler.slots import Amount, Experts, MethodOf, Model, Size, SizeOrShare, Weighted
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import DeltaType, ModelType, Type, Unknown


class Merge(Step, verb="merge", kernel="merge", subject="base"):
    """Combine experts of one weight space into one model.

    Experts are models, or deltas: a LoRA adapter, a `task_vector`. Methods of deltas take a delta as it is,
    methods of weights the base plus the delta; tensors that a delta leaves out are the base's. Experts are
    read tensor by tensor and combined in fp32 with one rounding; the result does not depend on their order.
    `keep` lists tensors (glob patterns) that stay the base's byte for byte, `dtype` is the stored type (the
    base's by default).

    `expert_reads` bounds the bytes that may be read of the experts, as a size or a share of a full read: the
    blocks that change the result least are left out, and the plan states how far the result can be from
    that of a full read. `max_error` asks the other way round, for the fewest bytes that keep what is left
    out below a share of the full change. Both need to know the blocks: `fusec catalog analyze` finds out
    once, exactly with inner products (`analysis: gram`) or from norms alone (`norms`); `sampled` reads a
    page of each block for one merge, and states no bound.

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
    expert_reads: SizeOrShare | None = None
    max_error: Annotated[float, Amount("Share"), Gt(0), Lt(1)] | None = None
    analysis: Analysis = "gram"

    def gives(self, site: Site) -> Type:
        if not self.experts:
            site.report(EmptyList(at=site.at("experts"), slot="experts", verb="merge"))
            return Unknown()
        for index, expert in enumerate(self.experts):
            check_same_coordinates(site, self.base, expert.input, site.at("experts", index))
        self._check_number(site)
        self._check_weights(site)
        misfits = tuple(self.method.misfits(len(self.experts)))
        if misfits:
            for misfit in misfits:
                site.report(OutOfRange(at=site.at("method"), **misfit._asdict()))
            return Unknown()
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

    def _check_number(self, site: Site) -> None:
        least, most, count = self.method.least, self.method.most, len(self.experts)
        if least <= count and (most is None or count <= most):
            return
        site.report(
            OutOfRange(
                at=site.at("experts"),
                what=f"the number of experts of `{self.method.name}`",
                got=str(count),
                allowed=f"exactly {most}" if least == most else f"at least {least}",
            )
        )

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
        adapters = sum(
            _reads(expert.input.type, 1) for expert in self.experts if _is_adapter(expert.input.type)
        )
        check_limits(
            site,
            self.method,
            allowed=self.allowed,
            least=adapters,
            max_error=self.max_error,
            analysis=self.analysis,
        )

    @property
    def allowed(self) -> int | None:
        """Bytes that may be read of the experts; None for all of them."""
        return allowed_bytes(self.expert_reads, self._expert_bytes())

    def _expert_bytes(self) -> int:
        passes = self.method.passes(len(self.experts)).experts
        return sum(_reads(expert.input.type, passes) for expert in self.experts)

    def cost(self, result: Type) -> Cost:
        passes = self.method.passes(len(self.experts))
        deltas = [expert.input.type for expert in self.experts if isinstance(expert.input.type, DeltaType)]
        # Without the base, weights that are the base plus a delta cannot be had.
        base = max(passes.base, int(bool(deltas))) * model_bytes(self.base.type)
        full = self._expert_bytes()
        experts = full if self.allowed is None else self.allowed
        sure = 0.0 if self.keep or experts < full or self.max_error is not None else 1.0
        params = result.space.params if isinstance(result, ModelType) else 0
        work = 4.0 * params * (len(self.experts) + 1) * passes.experts
        work += sum(2.0 * delta.rank * delta.space.params * passes.experts for delta in deltas)
        # Tensors that `keep` names are copied from the base; how many bytes that is, names alone do not say.
        kept = float(model_bytes(self.base.type)) if self.keep else 0.0
        return Cost(
            reads=Range(sure * (experts + base), experts + base, experts + base + kept),
            writes=exactly(model_bytes(result)),
            expert_reads=Range(sure * experts, experts, experts),
            flops=Range(work, work * 2, work * 4),
            memory=Range(64e6, 192e6, 512e6),
        )

    def order(self, ids: dict[str, str]) -> Step:
        def rank(place: int) -> tuple[str, str, float, tuple[float, ...]]:
            expert = self.experts[place]
            ref = expert.input.ref
            return ids[ref.node], ref.key, expert.weight or 0.0, self.method.of_expert(place)

        places = sorted(range(len(self.experts)), key=rank)
        experts = tuple(self.experts[place] for place in places)
        if all(expert.weight in (None, 1.0) for expert in experts):
            experts = tuple(Weighted(expert.input, None) for expert in experts)
        keep = tuple(sorted(set(self.keep)))
        method = self.method.rearranged(places)
        limits: dict[str, Any] = {"expert_reads": self.allowed}
        if self.allowed is None and self.max_error is None:
            limits["analysis"] = "gram"  # of no effect where everything is read
        return self.model_copy(update={"experts": experts, "method": method, "keep": keep, **limits})


def _reads(expert: Type, passes: int) -> int:
    """Bytes read of an expert; the factors of an adapter are held for all passes over their tensor."""
    return model_bytes(expert) * (1 if _is_adapter(expert) else passes)


def _is_adapter(expert: Type) -> bool:
    return isinstance(expert, DeltaType) and expert.rank > 0

"""merge: combine experts of one weight space into one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from annotated_types import Ge, Gt, Lt
from pydantic import AfterValidator

from fusec.compiler.choices import Choice, methods, of_expert, paired, rearranged
from fusec.compiler.coordinates import check_same_coordinates
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES
from fusec.compiler.merge_rules import check_choice, check_rules
from fusec.compiler.methods.merge import MergeMethod, Passes
from fusec.compiler.methods.rule import Rule
from fusec.compiler.reads.grid import BLOCK, power_of_two
from fusec.compiler.reads.limits import Analysis, allowed_bytes, check_limits
from fusec.compiler.slots import Amount, Experts, ListOf, MethodOf, Model, Size, SizeOrShare, Weighted
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.source import Span
from fusec.lang.types import DeltaType, ModelType, Type, Unknown


class Merge(Step, verb="merge", kernel="merge", subject="base"):
    """Combine experts of one weight space into one model.

    Experts are models, or deltas: a LoRA adapter, a `task_vector`. Methods of deltas take a delta as it is,
    methods of weights the base plus the delta; tensors that a delta leaves out are the base's. Experts are
    read tensor by tensor and combined in fp32 with one rounding; the result does not depend on their order.
    `keep` lists tensors (glob patterns) that stay the base's byte for byte, `dtype` is the stored type (the
    base's by default).

    `rules` give tensors a method or weights of their own, by name (`tensors`), by layer (`layers`), or
    changing from layer to layer (`gradient`). The first rule that means a tensor decides; tensors that none
    means are merged as the merge says. `keep` comes before all rules.

    `expert_reads` bounds the bytes that may be read of the experts, as a size or a share of a full read: the
    blocks that change the result least are left out, and the plan states how far the result can be from
    that of a full read. `max_error` asks the other way round, for the fewest bytes that keep what is left
    out below a share of the full change. Both need to know the blocks: `fusec catalog analyze` finds out
    once, exactly with inner products (`analysis: gram`) or from norms alone (`norms`); `sampled` reads a
    page of each block for one merge, and states no bound. `block` is the number of elements in a block.

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
    rules: Annotated[tuple[Rule, ...], ListOf(MethodOf("rule"))] = ()
    keep: tuple[str, ...] = ()
    dtype: Literal["fp32", "bf16", "fp16"] | None = None
    shard_size: Annotated[Size, Gt(0)] = 5_000_000_000
    expert_reads: SizeOrShare | None = None
    max_error: Annotated[float, Amount("Share"), Gt(0), Lt(1)] | None = None
    analysis: Analysis = "gram"
    block: Annotated[int, Ge(4096), AfterValidator(power_of_two)] = BLOCK

    def gives(self, site: Site) -> Type:
        if not self.experts:
            site.report(EmptyList(at=site.at("experts"), slot="experts", verb="merge"))
            return Unknown()
        for index, expert in enumerate(self.experts):
            check_same_coordinates(site, self.base, expert.input, site.at("experts", index))
        own, at = self._own(), site.at
        fits = check_choice(site, own, method_at=at("method"), weights_at=at("experts"))
        if not fits or not check_rules(site, self.base, self.rules, own):
            return Unknown()
        for method, where in self._methods_at(site):
            method.check(site, self.experts, where)
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

    def _own(self) -> Choice:
        return Choice(self.method, tuple(expert.weight for expert in self.experts))

    def _methods_at(self, site: Site) -> Iterator[tuple[MergeMethod, Span]]:
        yield self.method, site.at("method")
        for index, rule in enumerate(self.rules):
            yield from ((method, site.at("rules", index)) for method in rule.method_points)

    @property
    def methods(self) -> tuple[MergeMethod, ...]:
        """Its own method first, then those of its rules."""
        return methods(self.rules, self.method)

    def _check_budget(self, site: Site) -> None:
        adapters = sum(
            _reads(expert.input.type, 1) for expert in self.experts if _is_adapter(expert.input.type)
        )
        check_limits(
            site,
            tuple(self._methods_at(site)),
            allowed=self.allowed,
            least=adapters,
            max_error=self.max_error,
            analysis=self.analysis,
        )

    @property
    def allowed(self) -> int | None:
        """Bytes that may be read of the experts; None for all of them."""
        most = max(passes.experts for passes in self._passes())
        return allowed_bytes(self.expert_reads, self._expert_bytes(1), self._expert_bytes(most))

    def _passes(self) -> tuple[Passes, ...]:
        return tuple(method.passes(len(self.experts)) for method in self.methods)

    def _expert_bytes(self, passes: int) -> int:
        return sum(_reads(expert.input.type, passes) for expert in self.experts)

    def cost(self, result: Type) -> Cost:
        return self.cost_beside(result, Passes(0, 0))

    @property
    def least_base(self) -> int:
        """How often the base is read at least, whatever the method."""
        # Without the base, weights that are the base plus a delta cannot be had, nor what is left out.
        deltas = any(isinstance(expert.input.type, DeltaType) for expert in self.experts)
        return int(deltas or self.allowed is not None or self.max_error is not None)

    @property
    def reads_base(self) -> bool:
        """Whether the base is read of every tensor, whatever method is its."""
        return min(max(passes.base, self.least_base) for passes in self._passes()) > 0

    def cost_beside(self, result: Type, others: Passes) -> Cost:
        """The cost where other merges read the base and the experts anyway, as often as `others` says."""
        # Which of its methods reads how much of a model, names of tensors alone do not say.
        passes = tuple(_less(each, others, self.least_base) for each in self._passes())
        deltas = [expert.input.type for expert in self.experts if isinstance(expert.input.type, DeltaType)]
        base = _over([each.base * model_bytes(self.base.type) for each in passes])
        full = _over([self._expert_bytes(each.experts) for each in passes])
        experts = full if self.allowed is None else exactly(self.allowed)
        sure = 0.0 if self.keep or experts.high < full.high or self.max_error is not None else 1.0
        params = result.space.params if isinstance(result, ModelType) else 0
        most = max(each.experts for each in self._passes())
        work = 4.0 * params * (len(self.experts) + 1) * most
        work += sum(2.0 * delta.rank * delta.space.params * most for delta in deltas)
        # Tensors that `keep` names are copied from the base; how many bytes that is, names alone do not say.
        kept = float(model_bytes(self.base.type)) if self.keep else 0.0
        cost = Cost(
            reads=Range(
                sure * (experts.low + base.low), experts.likely + base.likely, experts.high + base.high + kept
            ),
            writes=exactly(model_bytes(result)),
            expert_reads=Range(sure * experts.low, experts.likely, experts.high),
            flops=Range(work, work * 2, work * 4),
            memory=Range(64e6, 192e6, 512e6),
        )
        return sum((method.reading(self.experts) for method in self.methods), cost)

    def order(self, ids: dict[str, str]) -> Step:
        own = self.method.paired(self.experts)
        rules = tuple(paired(rule, self.experts) for rule in self.rules)

        def rank(place: int) -> tuple[str, str, float, tuple[float, ...], tuple[tuple[str, str], ...]]:
            expert = self.experts[place]
            ref = expert.input.ref
            said = (*own.of_expert(place), *of_expert(rules, place))
            refs = (ref for method in methods(rules, own) for ref in method.read_by(place))
            reads = tuple((ids[ref.node], ref.key) for ref in refs)
            return ids[ref.node], ref.key, expert.weight or 0.0, said, reads

        places = sorted(range(len(self.experts)), key=rank)
        experts = tuple(self.experts[place] for place in places)
        if all(expert.weight in (None, 1.0) for expert in experts):
            experts = tuple(Weighted(expert.input, None) for expert in experts)
        keep = tuple(sorted(set(self.keep)))
        changed: dict[str, Any] = {
            "method": own.rearranged(places),
            "rules": tuple(rearranged(rule, places) for rule in rules),
        }
        limits: dict[str, Any] = {"expert_reads": self.allowed}
        if self.allowed is None and self.max_error is None:
            limits |= {"analysis": "gram", "block": BLOCK}  # of no effect where everything is read
        return self.model_copy(update={"experts": experts, "keep": keep, **changed, **limits})


def _over(sizes: Sequence[int]) -> Range:
    """Bytes where tensors differ in how often they are read; most are read as the first says."""
    return Range(min(sizes), sizes[0], max(sizes))


def _less(passes: Passes, others: Passes, least_base: int) -> Passes:
    base = max(passes.base, least_base)
    return Passes(max(0, base - others.base), passes.experts - others.experts)


def _reads(expert: Type, passes: int) -> int:
    """Bytes read of an expert; the factors of an adapter are held for all passes over their tensor."""
    return model_bytes(expert) * (1 if _is_adapter(expert) else passes)


def _is_adapter(expert: Type) -> bool:
    return isinstance(expert, DeltaType) and expert.rank > 0

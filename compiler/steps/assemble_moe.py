"""assemble_moe: a mixture of experts out of dense models."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, prod
from typing import Annotated, Literal

from annotated_types import Gt

from fusec.compiler.coordinates import check_same_coordinates
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES, TensorFact, space_fingerprint
from fusec.compiler.layers import NoLayers
from fusec.compiler.methods.router import Prompts, Router
from fusec.compiler.moe import ARCHS, misfit, moe_pieces
from fusec.compiler.slots import MethodOf, Model, Size, Weighted, WeightedMany
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.compiler.texts import tokens_in
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.codes.fuse213_no_layers import NoLayers as LayersUnknown
from fusec.lang.types import ModelType, Space, Type, Unknown


class AssembleMoe(Step, verb="assemble_moe", kernel="assemble_moe", subject="base"):
    """Assemble dense models of one weight space into a mixture of experts.

    Attention, norms, embeddings, configuration and tokenizer are the base's; the MLP of each expert becomes
    one expert of the layer, and the `router` sends every token to `experts_per_token` of them. Weights are
    copied byte for byte unless `dtype` asks for others. A number beside an expert multiplies what its MLP
    adds.

    `mixtral` takes models built like Llama and Mistral, `qwen3_moe` Qwen3. `qwen2_moe` takes Qwen2, Llama and
    Mistral; it needs a `shared` expert that every token goes through. That one's gate starts at one half, and
    so do the experts beside it unless they have numbers: models that are all alike give the dense one back.

    Example:

    ```fuse
    model sparse = assemble_moe {
      base: base
      experts: [math, code]
      arch: mixtral
      router: uniform(seed: 1)
    }
    ```
    """

    base: Model
    experts: Annotated[tuple[Weighted, ...], WeightedMany("model")]
    arch: Literal["mixtral", "qwen2_moe", "qwen3_moe"]
    router: Annotated[Router, MethodOf("router")]
    experts_per_token: Annotated[int, Gt(0)] = 2
    shared: Model | None = None
    dtype: Literal["fp32", "bf16", "fp16"] | None = None
    shard_size: Annotated[Size, Gt(0)] = 5_000_000_000

    def gives(self, site: Site) -> Type:
        found = tuple(self._misfits(site))
        for problem in found:
            site.report(problem)
        for index, expert in enumerate(self.experts):
            check_same_coordinates(site, self.base, expert.input, site.at("experts", index))
        if self.shared is not None:
            check_same_coordinates(site, self.base, self.shared, site.at("shared"))
        self.router.check(site, self.experts)
        base = self.base.type
        if found or not isinstance(base, ModelType):
            return Unknown()
        identity = f"%{site.name}"
        return ModelType(
            self._space(base, site), self.dtype or base.dtype, identity, identity, base.tokenizer
        )

    def _misfits(self, site: Site) -> Iterator[OutOfRange | LayersUnknown]:
        count = len(self.experts)
        if count < 2:
            yield OutOfRange(site.at("experts"), "the number of experts", str(count), "at least 2")
        elif self.experts_per_token > count:
            yield OutOfRange(
                at=site.at("experts_per_token"),
                what="experts_per_token",
                got=str(self.experts_per_token),
                allowed=f"at most {count}, as there are {count} experts",
            )
        for index, expert in enumerate(self.experts):
            if expert.weight is not None and not isfinite(expert.weight):
                at = site.at("experts", index)
                yield OutOfRange(at, "a number beside an expert", str(expert.weight), "a finite number")
        if ARCHS[self.arch].shared != (self.shared is not None):
            needs = ARCHS[self.arch].shared
            yield OutOfRange(
                at=site.at("shared" if self.shared is not None else "arch"),
                what=f"the shared expert of `{self.arch}`",
                got="left out" if needs else "there",
                allowed="a model that every token goes through" if needs else "none: `qwen2_moe` has one",
            )
        if isinstance(self.base.type, ModelType):
            yield from self._base_misfits(self.base.type, site)

    def _base_misfits(self, base: ModelType, site: Site) -> Iterator[OutOfRange | LayersUnknown]:
        shapes, label = site.shapes_of(base.space.fingerprint), site.label(self.base)
        if shapes is None:
            yield LayersUnknown(label, site.at("base"), "", site.declared(self.base))
            return
        try:
            detail = misfit(ARCHS[self.arch], shapes)
        except NoLayers as problem:
            yield LayersUnknown(label, site.at("base"), str(problem), site.declared(self.base))
            return
        if detail:
            yield OutOfRange(
                at=site.at("base"),
                what=f"the base of `{self.arch}`",
                got=f"`{label}`: {detail}",
                allowed=f"a model with the tensors of {' or '.join(ARCHS[self.arch].of)}",
            )

    def _space(self, base: ModelType, site: Site) -> Space:
        dense = site.shapes_of(base.space.fingerprint)
        assert dense is not None, "a base of unknown tensors is a misfit"
        shapes = {piece.name: piece.shape for piece in moe_pieces(ARCHS[self.arch], dense, len(self.experts))}
        fingerprint = space_fingerprint(TensorFact(name, "", shape) for name, shape in shapes.items())
        site.know_space(fingerprint, shapes)
        # Where only the run knows the rows of the embedding, the base's numbers are the most they can be.
        params = base.space.params + sum(map(prod, shapes.values())) - sum(map(prod, dense.values()))
        width = DTYPE_BYTES[self.dtype] if self.dtype else base.space.bytes / base.space.params
        return Space(
            name=f"{self.arch}_{fingerprint[:6]}",
            fingerprint=fingerprint,
            tensors=len(shapes),
            params=params,
            bytes=round(params * width),
            vocab=base.space.vocab,
        )

    def order(self, ids: dict[str, str]) -> AssembleMoe:
        usual = 0.5 if self.shared is not None else 1.0
        scales = [usual if expert.weight is None else expert.weight for expert in self.experts]
        plain = all(scale == 1 for scale in scales)
        experts = tuple(
            Weighted(expert.input, None if plain else scale)
            for expert, scale in zip(self.experts, scales, strict=True)
        )
        return self.model_copy(update={"experts": experts, "router": self.router.ordered(self.experts)})

    def cost(self, result: Type) -> Cost:
        size = model_bytes(result)
        cost = Cost(reads=exactly(size), writes=exactly(size), memory=Range(16e6, 48e6, 128e6))
        base = self.base.type
        if not isinstance(self.router, Prompts) or not isinstance(base, ModelType):
            return cost
        tokens = Range()
        for part in (*self.router.data, *self.router.negative):
            tokens = tokens + tokens_in(part.input)
        params = float(base.space.params)
        return cost + Cost(
            reads=exactly(base.space.bytes),
            tokens=tokens,
            flops=tokens * (2 * params),
            memory=Range(params * 4, params * 5, params * 8),
        )

"""init: a model from nothing."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any, Literal

from fusec.compiler.arch import arch_tensors
from fusec.compiler.cost import TORCH, Cost, Range, exactly
from fusec.compiler.facts import DTYPE_BYTES, TensorFact, space_fingerprint
from fusec.compiler.methods.arch import Architecture
from fusec.compiler.slots import MethodOf, Tokenizer
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import ModelType, Space, TokenizerType, Type, Unknown


class Init(Step, verb="init", grade="seeded", kernel="init", subject="tokenizer"):
    """Make a model of an architecture with random weights: quickstarts, tests, small research.

    Example:

    ```fuse
    model blank = init {
      tokenizer: words
      arch: llama(layers: 2, hidden: 64, heads: 4)
    }
    ```
    """

    tokenizer: Tokenizer
    arch: Annotated[Architecture, MethodOf("arch")]
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    seed: int

    loads = TORCH

    def gives(self, site: Site) -> Type:
        tokenizer = self.tokenizer.type
        if not isinstance(tokenizer, TokenizerType):
            return Unknown()
        sizes: dict[str, Any] = self.arch.model_dump()
        if not tokenizer.exact and not self.arch.vocab:
            site.report(
                OutOfRange(
                    at=site.at("tokenizer"),
                    what="`tokenizer`",
                    got="one whose size only the run finds out; a model has its size before",
                    allowed=f"this one with a height: `{self.arch.name}(vocab: {tokenizer.vocab}, ...)`",
                )
            )
            return Unknown()
        try:
            tensors = arch_tensors(self.arch.name, sizes, tokenizer.vocab)
        except ValueError as error:
            site.report(
                OutOfRange(
                    at=site.at("arch"),
                    what=f"the sizes of `{self.arch.name}`",
                    got=f"these: {error}",
                    allowed="sizes that fit",
                )
            )
            return Unknown()
        facts = [TensorFact(name, self.dtype, shape) for name, shape in tensors]
        fingerprint = space_fingerprint(facts)
        site.know_space(fingerprint, dict(tensors))
        params = sum(prod(shape) for _, shape in tensors)
        space = Space(
            name=f"{self.arch.name}_{fingerprint[:6]}",
            fingerprint=fingerprint,
            tensors=len(tensors),
            params=params,
            bytes=params * DTYPE_BYTES[self.dtype],
            vocab=self.arch.vocab or tokenizer.vocab,
        )
        identity = f"%{site.name}"
        return ModelType(space, self.dtype, identity, identity, tokenizer.fingerprint)

    def cost(self, result: Type) -> Cost:
        size = model_bytes(result)
        params = result.space.params if isinstance(result, ModelType) else 0
        return Cost(
            writes=exactly(size), flops=Range(params, params * 20.0, params * 200.0), memory=exactly(size)
        )

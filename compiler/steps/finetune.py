"""finetune: train a model on data."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from fusec.compiler.cost import TORCH, Cost, Range, exactly
from fusec.compiler.slots import Data, Model, Steps
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.compiler.texts import LANGUAGE_MODEL_COLUMNS, need_columns, tokens_in
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import ModelType, Type, Unknown


class Finetune(Step, verb="finetune", grade="seeded", kernel="finetune", subject="model"):
    """Train all weights of a model on `text`, `prompt` and `response`, or `messages`.

    Text is packed into blocks of `context` tokens; with prompts, only responses are learned. Length is
    `epochs` (1 by default) or `steps`. `warmup` is the share of steps the learning rate rises.

    Example:

    ```fuse
    model tutor = finetune {
      model: base
      data: pairs
      steps: 200 steps
      lr: 1e-5
    }
    ```
    """

    model: Model
    data: Data
    epochs: Annotated[float, Gt(0)] | None = None
    steps: Steps | None = None
    lr: Annotated[float, Gt(0)] = 2e-5
    batch: Annotated[int, Gt(0)] = 8
    accumulate: Annotated[int, Gt(0)] = 1
    context: Annotated[int, Gt(1)] | None = None
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup: Annotated[float, Ge(0), Le(1)] = 0.03
    weight_decay: Annotated[float, Ge(0)] = 0.0
    seed: int

    on_gpu: ClassVar[bool] = True
    needs_bf16: ClassVar[bool] = True
    loads = ("pyarrow", *TORCH)

    def gives(self, site: Site) -> Type:
        if self.epochs is not None and self.steps is not None:
            got = "both `epochs` and `steps`"
            site.report(
                OutOfRange(at=site.at("steps"), what="the length of training", got=got, allowed="one of them")
            )
        why = "training a language model reads text, or prompts with responses, or messages"
        need_columns(site, self.data, LANGUAGE_MODEL_COLUMNS, "data", None, why)
        model = self.model.type
        if not isinstance(model, ModelType):
            return Unknown()
        return ModelType(
            model.space, model.dtype, f"%{site.name}", model.root or model.identity, model.tokenizer
        )

    def tokens(self) -> Range:
        if self.steps is not None:
            blocks = self.steps * self.batch * self.accumulate
            return (
                exactly(blocks * self.context)
                if self.context
                else Range(blocks * 128.0, blocks * 512.0, blocks * 2048.0)
            )
        return tokens_in(self.data, self.epochs or 1.0)

    def cost(self, result: Type) -> Cost:
        size = model_bytes(self.model.type)
        params = float(result.space.params) if isinstance(result, ModelType) else 0.0
        tokens = self.tokens()
        return Cost(
            reads=exactly(size) + tokens * 2.0,
            writes=exactly(size),
            flops=tokens * (6.0 * params),
            tokens=tokens,
            memory=Range(params * 16, sum(size for _, size in self.memory_parts(result)), params * 24),
        )

    def memory_parts(self, result: Type) -> tuple[tuple[str, float], ...]:
        params = float(result.space.params) if isinstance(result, ModelType) else 0.0
        return (
            ("weights in fp32", params * 4),
            ("gradients", params * 4),
            ("two moments of Adam", params * 8),
            ("activations", params * 2),
        )

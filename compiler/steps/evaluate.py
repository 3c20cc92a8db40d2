"""evaluate: score a model on held-out data."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Gt

from fusec.compiler.cost import TORCH, Cost, Range, exactly
from fusec.compiler.slots import DataMap, Model
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.compiler.texts import LANGUAGE_MODEL_COLUMNS, need_columns, tokens_in
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import ModelType, ReportType, Type, Unknown

SCORES = ("loss", "perplexity", "accuracy", "tokens")


class Evaluate(Step, verb="evaluate", grade="seeded", kernel="evaluate", subject="model"):
    """Score next-token prediction on one data set or a map of them: loss, perplexity, accuracy.

    The loss is the mean over tokens in fp32. A map gives one record per key and their `average`.

    Example:

    ```fuse
    report scores = evaluate { model: base, data: ["held out": text], batch: 16 }
    ```
    """

    model: Model
    data: DataMap
    batch: Annotated[int, Gt(0)] = 8
    context: Annotated[int, Gt(1)] | None = None

    on_gpu: ClassVar[bool] = True
    loads = ("pyarrow", *TORCH)

    def gives(self, site: Site) -> Type:
        if not self.data:
            site.report(EmptyList(at=site.at("data"), slot="data", verb="evaluate"))
            return Unknown()
        keys = [part.key for part in self.data]
        if "average" in keys or (len(keys) > 1 and "" in keys):
            allowed = (
                "keys other than `average`, which is the mean" if "average" in keys else "a map with keys"
            )
            got = "the key `average`" if "average" in keys else "a list without keys"
            site.report(OutOfRange(at=site.at("data"), what="`data`", got=got, allowed=allowed))
            return Unknown()
        for index, part in enumerate(self.data):
            why = "scoring a language model reads text, or prompts with responses, or messages"
            need_columns(site, part.input, LANGUAGE_MODEL_COLUMNS, "data", index, why)
        return ReportType(tuple(part.key for part in self.data if part.key), SCORES)

    def cost(self, result: Type) -> Cost:
        model = self.model.type
        params = float(model.space.params) if isinstance(model, ModelType) else 0.0
        tokens = Range()
        for part in self.data:
            tokens = tokens + tokens_in(part.input)
        return Cost(
            reads=exactly(model_bytes(model)) + tokens * 2.0,
            writes=exactly(1000),
            flops=tokens * (2.0 * params),
            tokens=tokens,
            memory=Range(params * 4, sum(size for _, size in self.memory_parts(result)), params * 8),
        )

    def memory_parts(self, result: Type) -> tuple[tuple[str, float], ...]:
        model = self.model.type
        params = float(model.space.params) if isinstance(model, ModelType) else 0.0
        return (("weights in fp32", params * 4), ("activations and logits", params))

"""Routers of `assemble_moe`: the vectors whose product with a token says which experts it goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

from fusec.compiler.paired import check_paired, paired
from fusec.compiler.slots import DataMap, Weighted
from fusec.compiler.step import Grade, Method, Site
from fusec.compiler.texts import need_columns

PROMPT_COLUMNS = (("prompt",), ("text",))


class Router(Method):
    """One row for each expert in each layer, with as many numbers as the model is wide."""

    def check(self, site: Site, experts: Sequence[Weighted]) -> None:
        """Report what does not go with the experts."""

    def ordered(self, experts: Sequence[Weighted]) -> Router:
        """The same router with inputs in the order of the experts."""
        return self


class Random(Router, name="random", family="router"):
    """Rows drawn from the normal distribution, all numbers apart; for training to start from.

    Example:

    ```fuse
    model sparse = assemble_moe { base: base, experts: [math, code], arch: mixtral, router: random(seed: 1) }
    ```
    """

    grade: ClassVar[Grade] = "seeded"

    seed: Annotated[int, Ge(0)] = 0


class Uniform(Router, name="uniform", family="router"):
    """Rows drawn evenly from -1 / sqrt(hidden) to 1 / sqrt(hidden), so that no expert is far ahead.

    Example:

    ```fuse
    model sparse = assemble_moe { base: base, experts: [math, code], arch: mixtral, router: uniform }
    ```
    """

    seed: Annotated[int, Ge(0)] = 0


class Prompts(Router, name="prompts", family="router"):
    """Rows that point where the base's own states point on prompts of the kind an expert is for.

    A row is the mean over the first `examples` prompts of an expert's data set, the column `prompt` or else
    `text`, of what enters the layer: at the `last` token, as the `mean` over tokens, or the `embedding`
    alone, which takes no pass through the model and is the same in all layers. The mean of the expert's
    `negative` prompts, if there are any, is subtracted; rows are scaled to length 1.

    Example:

    ```fuse
    model sparse = assemble_moe {
      base: base
      experts: [math, code]
      arch: mixtral
      router: prompts(data: [text, pairs])
    }
    ```
    """

    grade: ClassVar[Grade] = "seeded"

    data: DataMap
    negative: DataMap = ()
    state: Literal["last", "mean", "embedding"] = "last"
    examples: Annotated[int, Gt(0)] = 256

    def check(self, site: Site, experts: Sequence[Weighted]) -> None:
        for slot, parts in (("data", self.data), ("negative", self.negative)):
            if slot == "data" or parts:
                check_paired(site, experts, parts, slot, site.at("router"))
            for part in parts:
                why = "a router points to the expert whose prompts are like the text"
                need_columns(site, part.input, PROMPT_COLUMNS, "router", None, why)

    def ordered(self, experts: Sequence[Weighted]) -> Prompts:
        data, negative = paired(experts, self.data), paired(experts, self.negative)
        return self.model_copy(update={"data": data, "negative": negative})

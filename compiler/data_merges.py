"""What checking and planning know of merge methods that look at what experts do with data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Self

from annotated_types import Gt

from fusec.compiler.cost import Cost, Range
from fusec.compiler.ir import Ref
from fusec.compiler.methods.merge import MergeMethod, Misfit, Passes
from fusec.compiler.paired import check_paired, paired
from fusec.compiler.slots import DataMap, Weighted
from fusec.compiler.step import Grade, Site
from fusec.compiler.texts import LANGUAGE_MODEL_COLUMNS, need_columns, tokens_in
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span
from fusec.lang.types import ModelType


class DataMerge(MergeMethod):
    """Each expert reads its own data before weights are combined, so it has to be a model.

    `data` has one data set for each expert, in their order or under their keys, or one for all. `examples` is
    the most rows that an expert reads of it, `context` the tokens of each that count.
    """

    grade: ClassVar[Grade] = "seeded"
    of_changes: ClassVar[bool] = False
    work: ClassVar[float]
    """Floating-point operations for each token and weight."""

    memory: ClassVar[float]
    """Bytes for each weight of an expert while it reads."""

    data: DataMap
    examples: Annotated[int, Gt(0)] = 256
    context: Annotated[int, Gt(1)] | None = None

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=2)

    def check(self, site: Site, experts: Sequence[Weighted], at: Span) -> None:
        check_paired(site, experts, self.data, "data", at)
        for part in self.data:
            why = f"`{self.name}` looks at what experts make of text"
            need_columns(site, part.input, LANGUAGE_MODEL_COLUMNS, "method", None, why)
        for index, expert in enumerate(experts):
            if not isinstance(expert.input.type, ModelType):
                found = f"`{site.label(expert.input)}`, a delta"
                allowed = "a model, which can read text: `merge` the delta alone into its base first"
                place = site.at("experts", index)
                site.report(OutOfRange(place, f"an expert of `{self.name}`", found, allowed))

    def paired(self, experts: Sequence[Weighted]) -> Self:
        return self.model_copy(update={"data": paired(experts, self.data)})

    def misfits(self, experts: int) -> Iterator[Misfit]:
        return iter(())  # `check` knows the keys of the experts as well as their number

    @classmethod
    def per_expert(cls) -> tuple[str, ...]:
        return (*super().per_expert(), "data")

    def of_expert(self, i: int) -> tuple[float, ...]:
        return ()

    def read_by(self, place: int) -> tuple[Ref, ...]:
        return (self.data[place].input.ref,)

    def rearranged(self, places: Sequence[int]) -> Self:
        return self.model_copy(update={"data": tuple(self.data[place] for place in places)})

    def reading(self, experts: Sequence[Weighted]) -> Cost:
        cost = Cost()
        for expert, part in zip(experts, self.paired(experts).data, strict=True):
            if isinstance(expert.input.type, ModelType):
                params = float(expert.input.type.space.params)
                tokens = tokens_in(part.input)
                cost = cost + Cost(
                    tokens=tokens,
                    flops=tokens * (self.work * params),
                    memory=Range(params * self.memory, params * self.memory * 1.2, params * self.memory * 2),
                )
        return cost

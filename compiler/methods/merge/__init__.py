"""How `merge` combines weights: one file for each method.

Formulas: X_i is an expert, B the base, D_i = X_i - B; arithmetic is fp32 with one rounding at the end. An
expert may be a delta itself. Methods of deltas take it as it is. For methods of weights (`average`,
`linear`, ...) the expert is `base + delta`, rounded to fp32, and the base is read for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

from annotated_types import Gt, Le
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from fusec.compiler.cost import Cost
from fusec.compiler.ir import Ref
from fusec.compiler.slots import OneOrEach, Plain, Weighted
from fusec.compiler.step import Method, Site
from fusec.lang.source import Span

Budget = Literal["additive", "gram", "blocks", "none"]
"""What may be left unread. `additive`: any block of any expert, at an error that is known. `gram`: the same,
where inner products are known, as the coefficients follow from them. `blocks`: a block of all experts at
once, at a bounded error. `none`: nothing, as no error can be stated."""


class Passes(NamedTuple):
    """How often the bytes of the base and of each expert are read."""

    base: int
    experts: int


class Bound(NamedTuple):
    """How long the update of a block can be, from the lengths |D_i| of what the experts changed in it.

    With f_i the factors: `sum` says at most `sum_i f_i |D_i|`, `root` at most `sqrt(sum_i (f_i |D_i|)^2)`. No
    element changes by more than `clip`.
    """

    form: Literal["sum", "root"]
    factors: tuple[float, ...]
    clip: float = math.inf


class Misfit(NamedTuple):
    """Arguments of a method that do not go with each other or with the experts."""

    what: str
    got: str
    allowed: str


def _is_share(value: Any) -> Any:
    if not all(0 < share <= 1 for share in (value if isinstance(value, tuple) else (value,))):
        raise PydanticCustomError("share", "above 0 and at most 1", {"gt": 0, "le": 1})
    return value


Density: TypeAlias = Annotated[
    float | tuple[float, ...], OneOrEach(Plain("float"), (Gt(0), Le(1))), AfterValidator(_is_share)
]
"""The share of its changes that an expert keeps: one number, or one for each expert as they are listed."""


class MergeMethod(Method):
    """What checking and planning ask of a method.

    weighted    whether experts may carry weights
    least, most how many experts there may be
    budget      what `expert_reads` may leave out
    of_changes  whether experts equal to the base give the base, element by element
    local       whether an element of the result depends on nothing but the same element of the inputs

    The arithmetic is `operator(weights, **arguments)` of the method's kernel, for fusec's own methods the
    module of the same name under `fusec.runtime.kernels.merge.operators`; see
    `fusec.runtime.kernels.merge.operator`.
    """

    weighted: ClassVar[bool] = True
    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None
    local: ClassVar[bool] = False
    joined_by = "operator"

    @property
    def of_changes(self) -> bool:
        return True

    @property
    def budget(self) -> Budget:
        return "none"

    @property
    def divides(self) -> bool:
        return False

    @property
    def by_range(self) -> bool:
        """Whether tensors are merged range by range, so that other merges can go along with the reading."""
        return self.local

    def passes(self, experts: int) -> Passes:
        return Passes(base=1, experts=1)

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...] | None:
        """The c_i of `B + sum c_i D_i` for a weight of each expert; None where tensors decide them."""
        return None

    def bound(self, weights: Sequence[float]) -> Bound | None:
        """What a block that is left out of all experts changes at most; None where nothing is known."""
        return None

    def misfits(self, experts: int) -> Iterator[Misfit]:
        """What is wrong with the arguments for so many experts."""
        for name in self.per_expert():
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != experts:
                numbers = f"{len(value)} number{'s' * (len(value) != 1)}"
                yield Misfit(f"`{name}`", numbers, f"one number, or one for each of the {experts} experts")

    def check(self, site: Site, experts: Sequence[Weighted], at: Span) -> None:
        """Report what is wrong with results among the arguments, written at `at`."""

    def paired(self, experts: Sequence[Weighted]) -> Self:
        """The method with results among its arguments in the order of the experts that they belong to."""
        return self

    def read_by(self, place: int) -> tuple[Ref, ...]:
        """The results among the arguments that belong to one expert."""
        return ()

    def reading(self, experts: Sequence[Weighted]) -> Cost:
        """What it costs to look at results among the arguments, beside merging."""
        return Cost()

    @classmethod
    def per_expert(cls) -> tuple[str, ...]:
        """The arguments that may have one number for each expert."""
        return tuple(name for name, want in cls.wants().items() if isinstance(want, OneOrEach))

    def of_expert(self, i: int) -> tuple[float, ...]:
        """What `per_expert` arguments say about one expert."""
        values = (getattr(self, name) for name in self.per_expert())
        return tuple(value[i] if isinstance(value, tuple) else value for value in values)

    def rearranged(self, places: Sequence[int]) -> Self:
        """The method for the experts in another order: first that of place `places[0]`, and so on."""
        lists = {
            name: value[0] if len(set(value)) == 1 else tuple(value[place] for place in places)
            for name in self.per_expert()
            if isinstance(value := getattr(self, name), tuple)
        }
        return self.model_copy(update=lists) if lists else self

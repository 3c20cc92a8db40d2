"""What a slot may hold, as types for `Step` fields.

A verb declares `experts: Experts` or `rows: Rows`; the marker inside the `Annotated` type tells the
checker what to expect from the text, the messages what was expected, and the lowering how the value
becomes IR and back.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from fusec.compiler.ir import Ref
from fusec.lang.types import Type
from fusec.lang.units import Dimension


class Input(msgspec.Struct, frozen=True):
    """A result of another node with its type."""

    ref: Ref
    type: Type


class Keyed(msgspec.Struct, frozen=True):
    """One member of a map; the key is empty when a single value stands where a map may."""

    key: str
    input: Input


class Weighted(msgspec.Struct, frozen=True):
    """One member of a weighted list; the weight is None when the spec gives none.

    `key` is that of a map or family, for what is matched by key; it is never lowered.
    """

    input: Input
    weight: float | None
    key: str = ""


# --- markers: what the checker looks for ---------------------------------------


class One(msgspec.Struct, frozen=True):
    """A single result of one kind; of a model, the least that it must give: `model`, `scorer`, `sampler`.

    `also` are kinds that do as well.
    """

    kind: str
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " or ".join(kind.capitalize() for kind in (self.kind, *self.also))


class Many(msgspec.Struct, frozen=True):
    """A map or list of results; a single one counts as a list of one."""

    kind: str
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"a list or map of {One(self.kind, self.also)}"


class WeightedMany(msgspec.Struct, frozen=True):
    """A list, a family, or a map from results to numbers."""

    kind: str
    share: bool = False
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"a list of {One(self.kind, self.also)}, with weights or without"


class Amount(msgspec.Struct, frozen=True):
    """A quantity of one dimension, held in its base unit; `kind` where its kinds do not convert.

    `measured` keeps the unit with the number, for places where any kind will do; with `or_share` a share
    will do as well.
    """

    dimension: Dimension
    kind: str = ""
    measured: bool = False
    or_share: bool = False

    def __str__(self) -> str:
        name = f"{self.dimension}[{self.kind}]" if self.kind else self.dimension
        return f"{name} or Share" if self.or_share else name


class MethodOf(msgspec.Struct, frozen=True):
    """A method of one family, such as `ties(density: 0.5)` of `merge`."""

    family: str

    def __str__(self) -> str:
        return f"a {self.family} method"


class RowOf(msgspec.Struct, frozen=True):
    """An expression over the columns of a row; `type` is empty when any will do."""

    type: str = ""

    def __str__(self) -> str:
        return f"{self.type or 'an expression'} over the columns of a row"


class ColumnName(msgspec.Struct, frozen=True):
    """A column, written `.name`; a path `.a.b` where reports are meant."""

    def __str__(self) -> str:
        return "a column"


class Words(msgspec.Struct, frozen=True):
    """One of a few bare words."""

    options: tuple[str, ...]

    def __str__(self) -> str:
        return " | ".join(self.options)


class Plain(msgspec.Struct, frozen=True):
    """A Python scalar: bool, int, float or str."""

    type: str

    def __str__(self) -> str:
        return {"bool": "Bool", "int": "Int", "float": "Float", "str": "Str"}[self.type]


class ListOf(msgspec.Struct, frozen=True):
    item: Plain | MethodOf | ListOf

    def __str__(self) -> str:
        return f"List[{self.item}]"


class OneOrEach(msgspec.Struct, frozen=True):
    """A number for all inputs, or a list with one for each in their order; each within `bounds`."""

    item: Plain
    bounds: tuple[Gt | Ge | Le, ...] = ()

    def __str__(self) -> str:
        return f"{self.item} or List[{self.item}]"


Want: TypeAlias = (
    One | Many | WeightedMany | Amount | MethodOf | RowOf | ColumnName | Words | Plain | ListOf | OneOrEach
)

# --- the types that verbs use ------------------------------------------------------


def _share_or_amount(value: Any) -> Any:
    share = getattr(value, "dimension", "") == "Share"
    amount = value if isinstance(value, int) else value.value
    if share and not 0 <= amount <= 1:
        raise PydanticCustomError("share_range", "0% to 100%")
    if amount < 0:
        raise PydanticCustomError("greater_than_equal", "0 or more", {"ge": 0})
    return value


def _above_zero(price: Any) -> Any:
    if price.value <= 0:
        raise PydanticCustomError("greater_than", "above 0", {"gt": 0})
    return price


Model: TypeAlias = Annotated[Input, One("model")]
Scorer: TypeAlias = Annotated[Input, One("scorer")]
Sampler: TypeAlias = Annotated[Input, One("sampler")]
Data: TypeAlias = Annotated[Input, One("data")]
Tokenizer: TypeAlias = Annotated[Input, One("tokenizer")]
TokenizerOf: TypeAlias = Annotated[Input, One("tokenizer", also=("model",))]

Models: TypeAlias = Annotated[tuple[Keyed, ...], Many("model")]
Tokenizers: TypeAlias = Annotated[tuple[Keyed, ...], Many("tokenizer", also=("model",))]
Scorers: TypeAlias = Annotated[tuple[Keyed, ...], Many("scorer")]
DataMap: TypeAlias = Annotated[tuple[Keyed, ...], Many("data")]
Reports: TypeAlias = Annotated[tuple[Keyed, ...], Many("report")]
Experts: TypeAlias = Annotated[tuple[Weighted, ...], WeightedMany("model", also=("delta",))]
Parts: TypeAlias = Annotated[tuple[Weighted, ...], WeightedMany("data", share=True)]

Size: TypeAlias = Annotated[int, Amount("Size"), Ge(0)]
SizeOrShare: TypeAlias = Annotated[
    Any, Amount("Size", measured=True, or_share=True), AfterValidator(_share_or_amount)
]
Rate: TypeAlias = Annotated[float, Amount("Rate", "B/s"), Gt(0)]
Price: TypeAlias = Annotated[Any, Amount("Price", measured=True), AfterValidator(_above_zero)]
Share: TypeAlias = Annotated[float, Amount("Share"), Ge(0), Le(1)]
Rows: TypeAlias = Annotated[int, Amount("Count", "rows"), Gt(0)]
Steps: TypeAlias = Annotated[int, Amount("Count", "steps"), Gt(0)]
Tokens: TypeAlias = Annotated[int, Amount("Count", "tokens"), Gt(0)]

Row: TypeAlias = Annotated[Any, RowOf()]
BoolRow: TypeAlias = Annotated[Any, RowOf("Bool")]
ColumnPath: TypeAlias = Annotated[str, ColumnName()]

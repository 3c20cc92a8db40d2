"""The syntax tree: frozen nodes, each with the span it was read from.

Nothing here knows what a name means. `Broken` stands for a declaration that did not parse but whose
kind and name could still be read, so that others may refer to it without a second message.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from fusec.lang.source import Source, Span


class Node(msgspec.Struct, frozen=True, kw_only=True):
    span: Span


# --- expressions -------------------------------------------------------------


class Name(Node, frozen=True, kw_only=True):
    id: str


class Column(Node, frozen=True, kw_only=True):
    """`.prompt`: a column of the row at hand."""

    id: str


class Text(Node, frozen=True, kw_only=True):
    """A string; `parts` alternate between literal text and interpolated expressions."""

    parts: tuple[str | Expr, ...]

    @property
    def literal(self) -> str | None:
        """The text when nothing is interpolated, else None."""
        if all(isinstance(part, str) for part in self.parts):
            return "".join(part for part in self.parts if isinstance(part, str))
        return None


class Number(Node, frozen=True, kw_only=True):
    value: int | float


class Quantity(Node, frozen=True, kw_only=True):
    """`24 GB`: the number as written (multiplier applied) and the unit as written."""

    value: int | float
    unit: str


class Bool(Node, frozen=True, kw_only=True):
    value: bool


class List(Node, frozen=True, kw_only=True):
    items: tuple[Expr, ...]


class Entry(Node, frozen=True, kw_only=True):
    key: Expr
    value: Expr


class Map(Node, frozen=True, kw_only=True):
    entries: tuple[Entry, ...]


class Comprehension(Node, frozen=True, kw_only=True):
    """`[item for variable in over if condition]`; a map comprehension when `item` is an `Entry`."""

    item: Expr | Entry
    variable: Name
    over: Expr
    condition: Expr | None = None


class Field(Node, frozen=True, kw_only=True):
    value: Expr
    name: Name


class Index(Node, frozen=True, kw_only=True):
    value: Expr
    key: Expr


class Arg(Node, frozen=True, kw_only=True):
    """An argument of a call; `name` is None for a positional one."""

    name: Name | None
    value: Expr


class Call(Node, frozen=True, kw_only=True):
    """`ties(density: 0.5)`: a value, free of cost."""

    callee: Expr
    args: tuple[Arg, ...]


class Slot(Node, frozen=True, kw_only=True):
    name: Name
    value: Expr


class Block(Node, frozen=True, kw_only=True):
    slots: tuple[Slot, ...]


class Step(Node, frozen=True, kw_only=True):
    """`merge { ... }`: work. `verb` is a `Name`, or a `Field` of names for an extension's verb."""

    verb: Expr
    block: Block


class Stage(Node, frozen=True, kw_only=True):
    """One `|> verb { ... }`; the block may be left out."""

    verb: Expr
    block: Block | None


class Pipeline(Node, frozen=True, kw_only=True):
    head: Expr
    stages: tuple[Stage, ...]


class IfElse(Node, frozen=True, kw_only=True):
    condition: Expr
    then: Expr
    otherwise: Expr


class Binary(Node, frozen=True, kw_only=True):
    """`op` is one of: or and == != <= >= < > in, not in, + - * / and .. (a range)."""

    op: str
    left: Expr
    right: Expr


class Unary(Node, frozen=True, kw_only=True):
    """`op` is `not`, `+` or `-`."""

    op: str
    value: Expr


class Ref(Node, frozen=True, kw_only=True):
    """`%name` or `%name.key`: a node of the IR; only IR text has these."""

    id: str


Expr: TypeAlias = (
    Name | Column | Text | Number | Quantity | Bool | List | Map | Comprehension | Field | Index
    | Call | Step | Pipeline | IfElse | Binary | Unary | Ref
)  # fmt: skip


# --- types as written --------------------------------------------------------


class TypeName(Node, frozen=True, kw_only=True):
    id: str


class TypeArg(Node, frozen=True, kw_only=True):
    """An argument of a type; in IR text its value may also be a literal expression."""

    name: Name | None
    value: TypeExpr | Number | Text | Ref


class TypeApply(Node, frozen=True, kw_only=True):
    id: str
    args: tuple[TypeArg, ...]


class ColumnType(Node, frozen=True, kw_only=True):
    name: Name
    type: TypeExpr


class RowType(Node, frozen=True, kw_only=True):
    columns: tuple[ColumnType, ...]


TypeExpr: TypeAlias = TypeName | TypeApply | RowType


# --- declarations ------------------------------------------------------------


class Family(Node, frozen=True, kw_only=True):
    variable: Name
    over: Expr


class From(Node, frozen=True, kw_only=True):
    """`from "uri" { options } |> stage ...`: something that comes from outside."""

    uri: Text
    block: Block | None
    stages: tuple[Stage, ...]


class Declaration(Node, frozen=True, kw_only=True):
    doc: str = ""


class Edition(Declaration, frozen=True, kw_only=True):
    year: Number


class Use(Declaration, frozen=True, kw_only=True):
    path: Text
    args: tuple[Arg, ...]
    name: Name
    family: Family | None = None


class Extend(Declaration, frozen=True, kw_only=True):
    package: Text
    name: Name


class Param(Declaration, frozen=True, kw_only=True):
    name: Name
    type: TypeExpr | None = None
    default: Expr | None = None


class Let(Declaration, frozen=True, kw_only=True):
    name: Name
    family: Family | None = None
    type: TypeExpr | None = None
    value: Expr


class Bind(Declaration, frozen=True, kw_only=True):
    """`model x = ...` or `data x from ...`; `kind` is model, delta, data, tokenizer or report."""

    kind: str
    kind_span: Span
    name: Name
    family: Family | None = None
    type: TypeExpr | None = None
    value: Expr | From


class Budget(Declaration, frozen=True, kw_only=True):
    block: Block


class Target(Declaration, frozen=True, kw_only=True):
    name: Name
    value: Expr


class Check(Declaration, frozen=True, kw_only=True):
    condition: Expr
    message: Text | None = None


class Output(Declaration, frozen=True, kw_only=True):
    path: Expr
    to: Text
    block: Block | None = None


class Broken(Declaration, frozen=True, kw_only=True):
    kind: str
    name: Name | None = None


class File(msgspec.Struct, frozen=True):
    source: Source
    declarations: tuple[Declaration, ...]


def dump(node: Any) -> Any:
    """Plain data without spans and docs: equal for two trees that differ only in layout."""
    if isinstance(node, msgspec.Struct):
        hidden = {"span", "kind_span", "source", "doc"}
        fields = [(f, dump(getattr(node, f))) for f in node.__struct_fields__ if f not in hidden]
        return (type(node).__name__, *fields)
    if isinstance(node, tuple) and not isinstance(node, Span):
        return tuple(dump(item) for item in node)
    return node

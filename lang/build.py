"""From grammar rules to tree nodes: one method per rule, plus the checks that need a whole node."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import Any

from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.codes.fuse004_commas import CommaMissing
from fusec.lang.codes.fuse005_braces import BracesAfterValue
from fusec.lang.diagnostics import Diagnostic, Edit, Fix
from fusec.lang.lexer import Token, split_quantity
from fusec.lang.lookalike import ascii_like
from fusec.lang.source import Source, Span
from fusec.lang.strings import ReadExpr, read_string
from fusec.lang.tree import (
    Arg,
    Binary,
    Bind,
    Block,
    Bool,
    Budget,
    Call,
    Check,
    Column,
    ColumnType,
    Comprehension,
    Edition,
    Entry,
    Expr,
    Extend,
    Family,
    Field,
    From,
    IfElse,
    Index,
    Let,
    List,
    Map,
    Name,
    Number,
    Output,
    Param,
    Pipeline,
    Quantity,
    Ref,
    RowType,
    Slot,
    Stage,
    Step,
    Target,
    Text,
    TypeApply,
    TypeArg,
    TypeName,
    Unary,
    Use,
)
from fusec.lang.units import parse_number

_WHAT = {
    Call: "a call", Number: "a number", Quantity: "a quantity", Text: "a string", List: "a list",
    Map: "a list", Bool: "a truth value", Column: "a column",
    Index: "an indexed value", Step: "a step already",
}  # fmt: skip


class Builder:
    """Makes nodes of one source; collects what is wrong with them in `problems`."""

    def __init__(self, source: Source, refs: bool, read_expr: ReadExpr) -> None:
        self.source, self.refs, self.read_expr = source, refs, read_expr
        self.problems: list[Diagnostic] = []

    def leaf(self, token: Token) -> Any:
        kind, start, end = token
        span = Span(self.source, start, end)
        text = self.source.text[start:end]
        match kind:
            case "NAME":
                return Name(span=span, id=text if text.isascii() else ascii_like(text) or text)
            case "STRING":
                value, problems = read_string(self.source, start, end, self.read_expr)
                self.problems.extend(problems)
                return value
            case "NUMBER":
                return Number(span=span, value=self._value(span, text))
            case "QUANTITY":
                number, unit = split_quantity(text)
                return Quantity(span=span, value=self._value(span, number), unit=unit)
            case "COLUMN":
                return Column(span=span, id=text[1:])
            case "REF":
                return Ref(span=span, id=text)
            case "true" | "false":
                return Bool(span=span, value=kind == "true")
            case "KIND":
                return span
            case "CMP" | "ADD" | "MUL":
                return text if text.isascii() else ascii_like(text)
        return kind

    def _value(self, span: Span, digits: str) -> int | float:
        value = parse_number(digits)
        if value == inf:
            self.problems.append(
                Unexpected(span, "this number is too large", fix=Fix("write a number below 1e308"))
            )
        return value

    def reduce(self, rule: str, children: list[Any], start: int, end: int) -> Any:
        return getattr(self, f"_{rule}")(Span(self.source, start, end), *children)

    # --- declarations

    def _edition(self, span: Span, year: Number) -> Edition:
        return Edition(span=span, year=year)

    def _use(
        self, span: Span, path: Text, args: tuple[Arg, ...] | None, name: Name, family: Family | None
    ) -> Use:
        return Use(span=span, path=path, args=args or (), name=name, family=family)

    def _extend(self, span: Span, package: Text, name: Name) -> Extend:
        return Extend(span=span, package=package, name=name)

    def _param(self, span: Span, name: Name, type: Any, default: Expr | None) -> Param:
        return Param(span=span, name=name, type=type, default=default)

    def _let(self, span: Span, name: Name, family: Family | None, type: Any, value: Expr) -> Let:
        return Let(span=span, name=name, family=family, type=type, value=value)

    def _bind(self, span: Span, kind: Span, name: Name, family: Family | None, type: Any, value: Any) -> Bind:
        return Bind(
            span=span, kind=kind.text, kind_span=kind, name=name, family=family, type=type, value=value
        )

    def _budget(self, span: Span, block: Block) -> Budget:
        return Budget(span=span, block=block)

    def _target(self, span: Span, name: Name, value: Expr) -> Target:
        return Target(span=span, name=name, value=value)

    def _check(self, span: Span, condition: Expr, message: Text | None) -> Check:
        return Check(span=span, condition=condition, message=message)

    def _output(self, span: Span, path: Expr, to: Text, block: Block | None) -> Output:
        return Output(span=span, path=path, to=to, block=block)

    def _source(self, span: Span, uri: Text, block: Block | None, *stages: Stage) -> From:
        return From(span=span, uri=uri, block=block, stages=stages)

    def _family(self, span: Span, variable: Name, over: Expr) -> Family:
        return Family(span=span, variable=variable, over=over)

    # --- blocks and steps

    def _block(self, span: Span, *slots: Slot) -> Block:
        self._separated(slots)
        return Block(span=span, slots=slots)

    def _separated(self, parts: Sequence[Slot | ColumnType]) -> None:
        for before, after in pairwise(parts):
            gap = self.source.text[before.span.end : after.span.start]
            if "\n" not in gap and "," not in gap:
                self.problems.append(CommaMissing(before.span, after.name.span))

    def _slot(self, span: Span, name: Name, value: Expr) -> Slot:
        return Slot(span=span, name=name, value=value)

    def _pipeline(self, span: Span, head: Expr, *stages: Stage) -> Pipeline:
        return Pipeline(span=span, head=head, stages=stages)

    def _stage(self, span: Span, verb: Expr, block: Block | None) -> Stage:
        return Stage(span=span, verb=verb, block=block)

    def _step(self, span: Span, verb: Expr, block: Block) -> Step:
        head: Expr = verb.callee if self.refs and isinstance(verb, Call) else verb
        while isinstance(head, Field):
            head = head.value
        if not isinstance(head, Name):
            self.problems.append(self._not_a_verb(verb, block))
        return Step(span=span, verb=verb, block=block)

    def _not_a_verb(self, verb: Expr, block: Block) -> BracesAfterValue:
        brace = Span(self.source, block.span.start, block.span.start + 1)
        edits: tuple[Edit, ...] = ()
        if isinstance(verb, Call) and isinstance(verb.callee, Name) and all(arg.name for arg in verb.args):
            parens = Span(self.source, verb.callee.span.end, brace.end)
            slots = ", ".join(arg.span.text for arg in verb.args)
            edits = (Edit(parens, f" {{ {slots}{',' * bool(slots and block.slots)}"),)
        return BracesAfterValue(verb.span, _WHAT.get(type(verb), "a value"), brace, edits)

    # --- expressions

    def _if_else(self, span: Span, condition: Expr, then: Expr, otherwise: Expr) -> IfElse:
        return IfElse(span=span, condition=condition, then=then, otherwise=otherwise)

    def _binary(self, span: Span, left: Expr, op: str, right: Expr) -> Binary:
        return Binary(span=span, op=op, left=left, right=right)

    def _not_in(self, span: Span, left: Expr, _not: str, _in: str, right: Expr) -> Binary:
        return Binary(span=span, op="not in", left=left, right=right)

    def _unary(self, span: Span, op: str, value: Expr) -> Unary:
        return Unary(span=span, op=op, value=value)

    def _field(self, span: Span, value: Expr, name: Name) -> Field:
        return Field(span=span, value=value, name=name)

    def _index(self, span: Span, value: Expr, key: Expr) -> Index:
        return Index(span=span, value=value, key=key)

    def _call(self, span: Span, callee: Expr, args: tuple[Arg, ...]) -> Call:
        return Call(span=span, callee=callee, args=args)

    def _args(self, span: Span, *args: Arg) -> tuple[Arg, ...]:
        return args

    def _positional(self, span: Span, value: Expr) -> Arg:
        return Arg(span=span, name=None, value=value)

    def _named(self, span: Span, name: Name, value: Expr) -> Arg:
        return Arg(span=span, name=name, value=value)

    def _list(self, span: Span, *items: Expr) -> List:
        return List(span=span, items=items)

    def _map(self, span: Span, *entries: Entry) -> Map:
        return Map(span=span, entries=entries)

    def _entry(self, span: Span, key: Expr, value: Expr) -> Entry:
        return Entry(span=span, key=key, value=value)

    def _comprehension(
        self, span: Span, item: Expr | Entry, variable: Name, over: Expr, condition: Expr | None
    ) -> Comprehension:
        return Comprehension(span=span, item=item, variable=variable, over=over, condition=condition)

    # --- types

    def _type_name(self, span: Span, name: Name) -> TypeName:
        return TypeName(span=span, id=name.id)

    def _type_apply(self, span: Span, name: Name, *args: TypeArg) -> TypeApply:
        literal = self.refs or name.id == "Tokenizer"  # which is known by its size or its fingerprint
        for arg in args:
            if isinstance(arg.value, Number | Text) and not literal:
                says, fix = f"`{arg.value.span.text}` is not a type", Fix("write the name of a type, or `_`")
                self.problems.append(Unexpected(arg.value.span, says, fix=fix))
        return TypeApply(span=span, id=name.id, args=args)

    def _type_positional(self, span: Span, value: Any) -> TypeArg:
        return TypeArg(span=span, name=None, value=value)

    def _type_named(self, span: Span, name: Name, value: Any) -> TypeArg:
        return TypeArg(span=span, name=name, value=value)

    def _row_type(self, span: Span, *columns: ColumnType) -> RowType:
        self._separated(columns)
        return RowType(span=span, columns=columns)

    def _column_type(self, span: Span, name: Name, type: Any) -> ColumnType:
        return ColumnType(span=span, name=name, type=type)

"""Expressions against what a slot wants: the direction in which fusec infers.

What is expected gives bare words a meaning (`ties`, `cosine`) and lets a message say what was wanted and
by whom. The result is ready to be a field of a `Step` or `Method`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fusec.compiler.arithmetic import amount
from fusec.compiler.capabilities import is_of_kind
from fusec.compiler.evaluate import check_keys, choose, comprehend, evaluate
from fusec.compiler.foreign import extension_of, method_at
from fusec.compiler.ir import Ref
from fusec.compiler.packages import Extension
from fusec.compiler.rows import row_expression
from fusec.compiler.scope import Scope
from fusec.compiler.slots import (
    Amount,
    ColumnName,
    Input,
    Keyed,
    ListOf,
    Many,
    MethodOf,
    One,
    OneOrEach,
    Plain,
    RowOf,
    Want,
    Weighted,
    WeightedMany,
    Words,
)
from fusec.compiler.step import Method, methods_of
from fusec.compiler.values import UNKNOWN, Broken, Measure, describe
from fusec.lang import tree
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse206_units_differ import UnitsDiffer
from fusec.lang.column_types import ColumnType
from fusec.lang.types import MapType
from fusec.lang.wording import an

if TYPE_CHECKING:
    from fusec.compiler.check import Checker


def expect(
    c: Checker,
    expr: tree.Expr,
    want: Want,
    scope: Scope,
    by: str,
    columns: Mapping[str, ColumnType] | None = None,
) -> Any:
    """The value of `expr` as `want` asks for it, or UNKNOWN after a report.

    `by` says who asks (`` `lr` of `finetune` ``), `columns` are those of the rows at hand.
    """
    if isinstance(expr, tree.IfElse):
        arms = choose(c, expr, scope)
        if arms is None:
            return UNKNOWN
        expect(c, arms[1], want, scope.inside("else"), by, columns)
        return expect(c, arms[0], want, scope, by, columns)
    let = c.plain_let(expr, scope)
    if let is not None:
        with c.inside(let) as there:
            return expect(c, let.value, want, there, by, columns)
    if isinstance(expr, tree.Field):
        from fusec.compiler.modules import plain_let

        there_is = plain_let(c, expr, scope)
        if there_is is not None:
            owner, let = there_is
            with owner.inside(let) as there:
                return expect(owner, let.value, want, there, by, columns)
    match want:
        case RowOf():
            return _row(c, expr, want, scope, by, columns or {})
        case ColumnName():
            return _column(c, expr, by)
        case Words():
            return _word(c, expr, want, by)
        case MethodOf():
            return _method(c, expr, want, scope, by)
        case Many():
            return _many(c, expr, want, scope, by)
        case WeightedMany():
            return _weighted(c, expr, want, scope, by)
        case ListOf():
            return _list(c, expr, want, scope, by)
        case OneOrEach() if isinstance(expr, tree.List):
            return _list(c, expr, ListOf(want.item), scope, by)
    return fit(c, evaluate(c, expr, scope), want, expr, by)


def fit(c: Checker, value: Any, want: Want, expr: tree.Expr, by: str) -> Any:
    """A computed value as `want` asks for it."""
    if isinstance(value, Broken):
        if isinstance(want, Amount) and isinstance(expr, tree.Quantity):
            c.unit_wanted(expr.span, by, want.dimension)
        return UNKNOWN
    match want:
        case One() if isinstance(value, Input) and _is_wanted(value, want):
            return value
        case Many():
            return _members(c, value, want, expr, by)
        case WeightedMany():
            members = _members(c, value, want, expr, by)
            if isinstance(members, Broken):
                return UNKNOWN
            return tuple(Weighted(member.input, None, member.key) for member in members)
        case Amount():
            return _amount(c, value, want, expr, by)
        case Plain():
            return _plain(c, value, want, expr, by)
        case OneOrEach() if isinstance(value, tuple):
            return _whole([fit(c, item, want.item, expr, by) for item in value])
        case OneOrEach():
            return fit(c, value, want.item, expr, by)
        case MethodOf() if isinstance(value, Method) and value.family == want.family:
            return value
        case ListOf() if isinstance(value, tuple):
            return _whole([fit(c, item, want.item, expr, by) for item in value])
    return c.wrong(expr.span, describe(value), str(want), by, expr)


def _is_wanted(value: Input, want: One) -> bool:
    return any(is_of_kind(value.type, kind) for kind in (want.kind, *want.also))


def _members(c: Checker, value: Any, want: Many | WeightedMany, expr: tree.Expr, by: str) -> Any:
    """A family, a split, a list or a single result as keyed members."""
    one = One(want.kind, want.also)
    if isinstance(value, Input) and isinstance(value.type, MapType):
        parts = value.type.items
        value = {name: Input(Ref(value.ref.node, name), type_) for name, type_ in parts}
    if isinstance(value, dict):
        items = [(key, fit(c, item, one, expr, by)) for key, item in value.items()]
    elif isinstance(value, tuple):
        items = [("", fit(c, item, one, expr, by)) for item in value]
    elif isinstance(value, Input) and _is_wanted(value, one):
        items = [("", value)]
    else:
        return c.wrong(expr.span, describe(value), str(want), by, expr)
    broken = any(isinstance(item, Broken) for _, item in items)
    return UNKNOWN if broken else tuple(Keyed(key, item) for key, item in items)


def _row(
    c: Checker, expr: tree.Expr, want: RowOf, scope: Scope, by: str, columns: Mapping[str, ColumnType]
) -> Any:
    made = row_expression(c, expr, scope, columns, by)
    if want.type and not isinstance(made, Broken):
        found = c.row_type(made, columns)
        if found != want.type:
            return c.wrong(expr.span, found, want.type, by)
    return made


def _column(c: Checker, expr: tree.Expr, by: str) -> Any:
    match expr:
        case tree.Column():
            return expr.id
        case tree.Field():
            root = _column(c, expr.value, by)
            return root if isinstance(root, Broken) else f"{root}.{expr.name.id}"
    return c.wrong(expr.span, f"`{expr.span.text}` is not a column", "a column such as `.text`", by)


def _word(c: Checker, expr: tree.Expr, want: Words, by: str) -> Any:
    if isinstance(expr, tree.Name):
        if expr.id in want.options:
            return expr.id
        c.report(UnknownVerb(name=expr.id, at=expr.span, known=want.options, what="word"))
        return UNKNOWN
    return c.wrong(expr.span, f"`{expr.span.text}` is not a bare word", str(want), by)


def _method(c: Checker, expr: tree.Expr, want: MethodOf, scope: Scope, by: str) -> Any:
    head = expr.callee if isinstance(expr, tree.Call) else expr
    if isinstance(head, tree.Name) and not c.is_declared(head.id, scope):
        method = methods_of(want.family).get(head.id)
        if method is None:
            known = tuple(methods_of(want.family))
            c.report(UnknownVerb(name=head.id, at=head.span, known=known, what="method"))
            return UNKNOWN
        return c.method(method, expr.args if isinstance(expr, tree.Call) else (), head.span, scope)
    extension = extension_of(c, head, scope)
    if isinstance(head, tree.Field) and isinstance(extension, Extension):
        method = method_at(c, head, extension, want.family)
        args = expr.args if isinstance(expr, tree.Call) else ()
        return UNKNOWN if method is None else c.method(method, args, head.span, scope)
    return fit(c, evaluate(c, expr, scope), want, expr, by)


def _many(c: Checker, expr: tree.Expr, want: Many, scope: Scope, by: str) -> Any:
    """Members with their keys; a list has positions and no keys."""
    one = One(want.kind, want.also)
    match expr:
        case tree.List():
            items = [
                expect(c, item, one, scope.inside(str(n)), by) for n, item in enumerate(expr.items, start=1)
            ]
            return _whole([i if isinstance(i, Broken) else Keyed("", i) for i in items])
        case tree.Map():
            keys = [(entry.key.span, evaluate(c, entry.key, scope)) for entry in expr.entries]
            members = [expect(c, entry.value, one, scope.inside("value"), by) for entry in expr.entries]
            if any(isinstance(key, Broken) for _, key in keys) or not check_keys(c, keys):
                return UNKNOWN
            pairs = zip(keys, members, strict=True)
            return _whole([m if isinstance(m, Broken) else Keyed(key, m) for (_, key), m in pairs])
    return fit(c, evaluate(c, expr, scope), want, expr, by)


def _weighted(c: Checker, expr: tree.Expr, want: WeightedMany, scope: Scope, by: str) -> Any:
    one = One(want.kind, want.also)
    weight = Amount("Share") if want.share else Plain("float")
    entries: list[tuple[tree.Expr, tree.Expr, Scope]]
    match expr:
        case tree.Map():
            entries = [(entry.key, entry.value, scope) for entry in expr.entries]
        case tree.Comprehension(item=tree.Entry() as entry):
            scopes = comprehend(c, expr, scope)
            if scopes is None:
                return UNKNOWN
            entries = [(entry.key, entry.value, inner) for inner in scopes]
        case _:
            members = _many(c, expr, Many(want.kind, want.also), scope, by)
            if isinstance(members, Broken):
                return UNKNOWN
            return tuple(Weighted(member.input, None, member.key) for member in members)
    items = []
    for key, value, inner in entries:
        member = evaluate(c, key, inner)
        if isinstance(member, str):  # a map of members
            made = expect(c, value, one, inner, by)
            items.append(made if isinstance(made, Broken) else Weighted(made, None, member))
            continue
        member, number = fit(c, member, one, key, by), expect(c, value, weight, inner, "a weight")
        broken = isinstance(member, Broken) or isinstance(number, Broken)
        items.append(UNKNOWN if broken else Weighted(member, float(number)))
    return _whole(items)


def _list(c: Checker, expr: tree.Expr, want: ListOf, scope: Scope, by: str) -> Any:
    if isinstance(expr, tree.List):
        return _whole([expect(c, item, want.item, scope, by) for item in expr.items])
    value = evaluate(c, expr, scope)
    if isinstance(value, dict):  # a map is the list of its values
        value = tuple(value.values())
    if isinstance(value, tuple):
        return _whole([fit(c, item, want.item, expr, by) for item in value])
    return UNKNOWN if isinstance(value, Broken) else _not(c, value, want, expr, by)


def _amount(c: Checker, value: Any, want: Amount, expr: tree.Expr, by: str) -> Any:
    bare = isinstance(value, int) and not isinstance(value, bool)
    if bare and want.dimension == "Count":
        return value
    dimensions = (want.dimension, "Share") if want.or_share else (want.dimension,)
    fits = isinstance(value, Measure) and value.dimension in dimensions
    if fits and (not want.kind or value.kind == want.kind):
        return value if want.measured else amount(value)
    if isinstance(value, (Measure, int, float)) and not isinstance(value, bool):
        has = describe(value)
        got = f"`{expr.span.text}` is {an(has)}"
        c.report(UnitsDiffer(at=expr.span, got=got, wants=str(want), what=by))
        return UNKNOWN
    return _not(c, value, want, expr, by)


def _plain(c: Checker, value: Any, want: Plain, expr: tree.Expr, by: str) -> Any:
    python = {"bool": bool, "int": int, "float": float, "str": str}[want.type]
    if type(value) is python:
        return value
    if want.type == "float" and type(value) is int:
        return float(value)
    if isinstance(value, Measure):
        got = f"`{expr.span.text}` is {an(describe(value))}"
        c.report(UnitsDiffer(at=expr.span, got=got, wants=str(want), what=by))
        return UNKNOWN
    return _not(c, value, want, expr, by)


def _not(c: Checker, value: Any, want: Want, expr: tree.Expr, by: str) -> Any:
    return c.wrong(expr.span, describe(value), str(want), by, expr)


def _whole(items: list[Any]) -> Any:
    return UNKNOWN if any(isinstance(item, Broken) for item in items) else tuple(items)

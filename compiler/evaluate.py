"""Expressions to values, without an expected type: names, arithmetic, families, steps.

Total by construction: no recursion but over the tree and through names, and cycles of names are caught
by the checker. What an expected type adds is in `expect.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input
from fusec.compiler.step import family_names, find_method, methods_of
from fusec.compiler.values import UNKNOWN, Broken, Measure, Score, describe
from fusec.lang import tree
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse112_unknown_key import UnknownKey
from fusec.lang.codes.fuse206_units_differ import UnitsDiffer
from fusec.lang.codes.fuse211_condition_on_result import ConditionOnResult
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span
from fusec.lang.types import MapType, ReportType
from fusec.lang.units import UNITS

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def evaluate(c: Checker, expr: tree.Expr, scope: Scope) -> Any:
    """The value of `expr`, or UNKNOWN after a report."""
    match expr:
        case tree.Name():
            return c.lookup(expr, scope)
        case tree.Number() | tree.Bool():
            return expr.value
        case tree.Quantity():
            return _quantity(c, expr)
        case tree.Text():
            return _text(c, expr, scope)
        case tree.List():
            return _all(tuple(evaluate(c, item, scope) for item in expr.items))
        case tree.Map():
            return _map(c, expr, scope)
        case tree.Comprehension():
            return _comprehension(c, expr, scope)
        case tree.Field():
            return _field(c, expr, scope)
        case tree.Index():
            return _index(c, expr, scope)
        case tree.Call():
            return _call(c, expr, scope)
        case tree.Step():
            return c.step(expr.verb, expr.block, None, scope)
        case tree.Pipeline():
            return c.pipeline(
                evaluate(c, expr.head, scope.inside("head")), expr.head.span, expr.stages, scope
            )
        case tree.IfElse():
            taken, other = _arms(c, expr, scope)
            if taken is None or other is None:
                return UNKNOWN
            evaluate(c, other, scope.inside("else"))
            return evaluate(c, taken, scope)
        case tree.Binary():
            return _binary(c, expr, scope)
        case tree.Unary():
            return _unary(c, expr, scope)
        case tree.Column():
            return c.wrong(expr.span, f"the column `.{expr.id}`", "a value", "this place")
        case tree.Ref():
            raise AssertionError("references stand in IR text only")


def choose(c: Checker, expr: tree.IfElse, scope: Scope) -> tuple[tree.Expr, tree.Expr] | None:
    """The arm a condition takes and the other one; None after a report."""
    taken, other = _arms(c, expr, scope)
    return None if taken is None or other is None else (taken, other)


def keys_of(c: Checker, family: tree.Family, scope: Scope) -> tuple[str, ...] | None:
    """The keys a family or comprehension runs over: a list of strings, or the keys of a map."""
    value = evaluate(c, family.over, scope)
    if isinstance(value, dict):
        return tuple(value)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return value
    if not isinstance(value, Broken):
        c.wrong(family.over.span, describe(value), "a list of strings or a map", "a family")
    return None


def _arms(c: Checker, expr: tree.IfElse, scope: Scope) -> tuple[tree.Expr | None, tree.Expr | None]:
    condition = evaluate(c, expr.condition, scope)
    if isinstance(condition, Score):
        c.report(ConditionOnResult(at=expr.condition.span, result=str(condition)))
    elif isinstance(condition, bool):
        return (expr.then, expr.otherwise) if condition else (expr.otherwise, expr.then)
    elif not isinstance(condition, Broken):
        c.wrong(expr.condition.span, describe(condition), "Bool", "`if`")
    return None, None


def _quantity(c: Checker, expr: tree.Quantity) -> Any:
    unit = UNITS.get(expr.unit)
    if unit is None:  # the parser has said so
        return UNKNOWN
    return Measure(unit.base(expr.value), unit.dimension, unit.kind)


def _text(c: Checker, expr: tree.Text, scope: Scope) -> Any:
    parts: list[str] = []
    for part in expr.parts:
        value = part if isinstance(part, str) else evaluate(c, part, scope)
        if isinstance(value, Broken):
            return UNKNOWN
        if not isinstance(value, (str, int, float, bool, Measure)):
            assert not isinstance(part, str)
            return c.wrong(part.span, describe(value), "text or a number", "a template")
        parts.append(value if isinstance(value, str) else str(value))
    return "".join(parts)


def _map(c: Checker, expr: tree.Map, scope: Scope) -> Any:
    out: dict[str, Any] = {}
    for entry in expr.entries:
        key, value = evaluate(c, entry.key, scope), evaluate(c, entry.value, scope)
        if isinstance(key, Broken) or isinstance(value, Broken):
            return UNKNOWN
        if not isinstance(key, str):
            return c.wrong(entry.key.span, describe(key), "Str", "a key")
        if key in out:
            return c.wrong(entry.key.span, f"the key `{key}` again", "another key", "a map")
        out[key] = value
    return out


def _comprehension(c: Checker, expr: tree.Comprehension, scope: Scope) -> Any:
    rows = list(comprehend(c, expr, scope))
    if isinstance(expr.item, tree.Entry):
        pairs = [(evaluate(c, expr.item.key, s), evaluate(c, expr.item.value, s)) for s in rows]
        broken = any(isinstance(item, Broken) for pair in pairs for item in pair)
        return UNKNOWN if broken else dict(pairs)
    return _all(tuple(evaluate(c, expr.item, s) for s in rows))


def comprehend(c: Checker, expr: tree.Comprehension, scope: Scope) -> Iterable[Scope]:
    """One scope per member that passes the condition; members of a map are its values."""
    over = evaluate(c, expr.over, scope)
    members = tuple(over.values()) if isinstance(over, dict) and _are_results(over) else over
    if isinstance(members, dict):
        members = tuple(members)
    if not isinstance(members, tuple):
        if not isinstance(members, Broken):
            c.wrong(expr.over.span, describe(over), "a list or a map", "a comprehension")
        return
    for number, member in enumerate(members, start=1):
        inner = scope.having(expr.variable.id, member).inside(str(number))
        if expr.condition is None or evaluate(c, expr.condition, inner) is True:
            yield inner


def _are_results(value: dict[str, Any]) -> bool:
    """A family of results gives its members; a map of plain values gives its keys."""
    return any(isinstance(item, Input) for item in value.values())


def _field(c: Checker, expr: tree.Field, scope: Scope) -> Any:
    value = evaluate(c, expr.value, scope)
    name = expr.name.id
    if isinstance(value, dict) and value and all(isinstance(item, Input) for item in value.values()):
        if any(isinstance(item.type, MapType) for item in value.values()):
            return {key: part(c, item, name, expr.name.span) for key, item in value.items()}
        return _member(c, value, name, expr)
    return _part_or_score(c, value, name, expr)


def _index(c: Checker, expr: tree.Index, scope: Scope) -> Any:
    value, key = evaluate(c, expr.value, scope), evaluate(c, expr.key, scope)
    if isinstance(value, Broken) or isinstance(key, Broken):
        return UNKNOWN
    if isinstance(value, tuple) and isinstance(key, int) and not isinstance(key, bool):
        if 0 <= key < len(value):
            return value[key]
        allowed = f"0 to {len(value) - 1}"
        c.report(OutOfRange(at=expr.key.span, what="the index", got=str(key), allowed=allowed))
        return UNKNOWN
    if not isinstance(key, str):
        return c.wrong(expr.key.span, describe(key), "Str", "a key")
    if isinstance(value, dict):
        return _member(c, value, key, expr)
    return _part_or_score(c, value, key, expr)


def _member(c: Checker, value: dict[str, Any], key: str, expr: tree.Field | tree.Index) -> Any:
    if key in value:
        return value[key]
    at = expr.name.span if isinstance(expr, tree.Field) else expr.key.span
    family = expr.value.span.text
    c.report(UnknownKey(family=family, key=key, at=at, known=tuple(value), declared=c.declared(family)))
    return UNKNOWN


def _part_or_score(c: Checker, value: Any, name: str, expr: tree.Field | tree.Index) -> Any:
    at = expr.name.span if isinstance(expr, tree.Field) else expr.key.span
    if isinstance(value, Score):
        return Score(value.report, (*value.path, name))
    if isinstance(value, Input) and isinstance(value.type, ReportType):
        return Score(value.ref, (name,))
    if isinstance(value, Input) and isinstance(value.type, MapType):
        return part(c, value, name, at)
    if isinstance(value, dict):
        return _member(c, value, name, expr)
    if not isinstance(value, Broken):
        c.wrong(expr.value.span, describe(value), "a report, a map or a split", f"`.{name}`")
    return UNKNOWN


def part(c: Checker, value: Input, name: str, at: Span) -> Any:
    """One named part of a result such as a split."""
    assert isinstance(value.type, MapType)
    parts = dict(value.type.items)
    if name in parts:
        return Input(type(value.ref)(value.ref.node, name), parts[name])
    c.report(
        UnknownKey(
            family=value.ref.node, key=name, at=at, known=tuple(parts), declared=c.declared(value.ref.node)
        )
    )
    return UNKNOWN


def _call(c: Checker, expr: tree.Call, scope: Scope) -> Any:
    if isinstance(expr.callee, tree.Name):
        method = find_method(expr.callee.id)
        if method is not None:
            return c.method(method, expr.args, expr.callee.span, scope)
    every = tuple(name for family in family_names() for name in methods_of(family))
    c.report(UnknownVerb(name=expr.callee.span.text, at=expr.callee.span, known=every, what="method"))
    return UNKNOWN


def _binary(c: Checker, expr: tree.Binary, scope: Scope) -> Any:
    left, right = evaluate(c, expr.left, scope), evaluate(c, expr.right, scope)
    if isinstance(left, Broken) or isinstance(right, Broken):
        return UNKNOWN
    for side, value in ((expr.left, left), (expr.right, right)):
        if isinstance(value, Score):
            c.report(ConditionOnResult(at=side.span, result=str(value)))
            return UNKNOWN
    op = expr.op
    if op in ("and", "or"):
        return _logic(c, expr, left, right)
    if op in ("in", "not in"):
        if not isinstance(right, (tuple, dict)):
            return c.wrong(expr.right.span, describe(right), "a list or a map", f"`{op}`")
        return (left in right) == (op == "in")
    if op == "..":
        return c.wrong(expr.span, "a range", "a value", "this place")
    if op in COMPARE:
        return _compare(c, expr, left, right)
    return _arithmetic(c, expr, left, right)


def _logic(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    for side, value in ((expr.left, left), (expr.right, right)):
        if not isinstance(value, bool):
            return c.wrong(side.span, describe(value), "Bool", f"`{expr.op}`")
    return (left and right) if expr.op == "and" else (left or right)


def _compare(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    if isinstance(left, Measure) or isinstance(right, Measure):
        if not same_unit(c, expr, left, right):
            return UNKNOWN
        return COMPARE[expr.op](amount(left), amount(right))
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (left, right))
    if numbers or type(left) is type(right):
        return COMPARE[expr.op](left, right)
    return c.wrong(expr.right.span, describe(right), describe(left), f"`{expr.op}`")


def _arithmetic(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    compute = ARITHMETIC[expr.op]
    if isinstance(left, str) and isinstance(right, str) and expr.op == "+":
        return left + right
    for side, value in ((expr.left, left), (expr.right, right)):
        if isinstance(value, bool) or not isinstance(value, (int, float, Measure)):
            return c.wrong(side.span, describe(value), "a number", f"`{expr.op}`")
    if expr.op == "/" and amount(right) == 0:
        c.report(OutOfRange(at=expr.right.span, what="the divisor", got="0", allowed="a number other than 0"))
        return UNKNOWN
    if not isinstance(left, Measure) and not isinstance(right, Measure):
        return compute(left, right)
    if expr.op in "+-":
        if not same_unit(c, expr, left, right):
            return UNKNOWN
        one = left if isinstance(left, Measure) else right
        return Measure(compute(amount(left), amount(right)), one.dimension, one.kind)
    return _scale(c, expr, left, right)


def _scale(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    """`2 * 8 GB`, `24 GB / 3`, `24 GB / 8 GB`, and a share of anything."""
    value = ARITHMETIC[expr.op](amount(left), amount(right))
    if isinstance(left, Measure) and isinstance(right, Measure):
        if expr.op == "/" and same_unit(c, expr, left, right):
            return value
        shares = [m for m in (left, right) if m.dimension == "Share"]
        if expr.op == "/" or not shares:
            return (
                UNKNOWN
                if expr.op == "/"
                else c.wrong(expr.span, "a product of two quantities", "a number", "`*`")
            )
        one = right if left.dimension == "Share" else left
    else:
        one = left if isinstance(left, Measure) else right
        if expr.op == "/" and one is right:
            return c.wrong(expr.right.span, describe(right), "a number", "`/`")
    whole = round(value) if one.dimension in ("Size", "Count") else value
    return Measure(whole, one.dimension, one.kind)


def same_unit(c: Checker, expr: tree.Binary, left: Any, right: Any) -> bool:
    """Whether both sides measure the same; a bare whole number fits any count."""
    a, b = _unit(left), _unit(right)
    for one, other in ((left, b), (right, a)):
        if isinstance(one, int) and not isinstance(one, bool) and other[0] == "Count":
            return True
    if a == b:
        return True
    c.report(
        UnitsDiffer(
            at=expr.right.span,
            got=f"`{expr.right.span.text}` is {_article(describe(right))}",
            wants=describe(left),
            what=f"`{expr.op}`",
        )
    )
    return False


def _unit(value: Any) -> tuple[str, str]:
    return (value.dimension, value.kind) if isinstance(value, Measure) else (describe(value), "")


def amount(value: Any) -> Any:
    return value.value if isinstance(value, Measure) else value


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIO' else 'a'} {word}"


def _unary(c: Checker, expr: tree.Unary, scope: Scope) -> Any:
    value = evaluate(c, expr.value, scope)
    if isinstance(value, Broken):
        return UNKNOWN
    if expr.op == "not":
        return (
            (not value) if isinstance(value, bool) else c.wrong(expr.span, describe(value), "Bool", "`not`")
        )
    if isinstance(value, bool) or not isinstance(value, (int, float, Measure)):
        return c.wrong(expr.value.span, describe(value), "a number", f"`{expr.op}`")
    if expr.op == "+":
        return value
    return Measure(-value.value, value.dimension, value.kind) if isinstance(value, Measure) else -value


def _all(items: tuple[Any, ...]) -> Any:
    return UNKNOWN if any(isinstance(item, Broken) for item in items) else items

"""Expressions to values, without an expected type: names, arithmetic, families, steps.

Total by construction: no recursion but over the tree and through names, and cycles of names are caught
by the checker. What an expected type adds is in `expect.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fusec.compiler import arithmetic
from fusec.compiler.foreign import extension_of, method_at
from fusec.compiler.packages import Extension
from fusec.compiler.rowexpr import FUNCTIONS
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input
from fusec.compiler.step import family_names, find_method, methods_of
from fusec.compiler.values import UNKNOWN, Broken, Measure, Modules, Score, Used, describe
from fusec.lang import tree
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse112_unknown_key import UnknownKey
from fusec.lang.codes.fuse211_condition_on_result import ConditionOnResult
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span
from fusec.lang.types import MapType, ReportType

if TYPE_CHECKING:
    from fusec.compiler.check import Checker


def evaluate(c: Checker, expr: tree.Expr, scope: Scope) -> Any:
    """The value of `expr`, or UNKNOWN after a report."""
    c.work(expr.span)
    match expr:
        case tree.Name():
            return c.lookup(expr, scope)
        case tree.Number():
            return arithmetic.number(c, expr)
        case tree.Bool():
            return expr.value
        case tree.Quantity():
            return arithmetic.quantity(c, expr)
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
            arms = choose(c, expr, scope)
            if arms is None:
                return UNKNOWN
            evaluate(c, arms[1], scope.inside("else"))
            return evaluate(c, arms[0], scope)
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
    holds = _condition(c, expr.condition, scope)
    if isinstance(holds, Broken):
        return None
    return (expr.then, expr.otherwise) if holds else (expr.otherwise, expr.then)


MAX_MEMBERS = 10_000
"""How many members a family may have: each is a node of the plan."""


def keys_of(c: Checker, family: tree.Family, scope: Scope) -> tuple[str, ...] | None:
    """The keys a family runs over: a list of strings, or the keys of a map."""
    value = evaluate(c, family.over, scope)
    if isinstance(value, (dict, tuple)) and len(value) > MAX_MEMBERS:
        got, allowed = f"{len(value):_} members large", f"{MAX_MEMBERS:_} members"
        c.report(OutOfRange(at=family.over.span, what="a family", got=got, allowed=allowed))
        return None
    if isinstance(value, dict):
        return tuple(value)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return value if check_keys(c, ((family.over.span, key) for key in value)) else None
    if not isinstance(value, Broken):
        c.wrong(family.over.span, describe(value), "a list of strings or a map", "a family")
    return None


def check_keys(c: Checker, keys: Iterable[tuple[Span, Any]]) -> bool:
    """Whether all are names and each stands once; the first that is not is reported."""
    seen = set()
    for at, key in keys:
        if not isinstance(key, str):
            c.wrong(at, describe(key), "Str", "a key")
            return False
        if key in seen or not key:
            got = f"`{key}` a second time" if key else "empty"
            c.report(OutOfRange(at=at, what="a key", got=got, allowed="every name once"))
            return False
        seen.add(key)
    return True


def _condition(c: Checker, expr: tree.Expr, scope: Scope) -> bool | Broken:
    """Whether a condition holds, known before anything runs."""
    value = evaluate(c, expr, scope)
    if isinstance(value, Score):
        c.report(ConditionOnResult(at=expr.span, result=str(value)))
    elif isinstance(value, bool):
        return value
    elif not isinstance(value, Broken):
        c.wrong(expr.span, describe(value), "Bool", "`if`")
    return UNKNOWN


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
    return arithmetic.text(c, "".join(parts), expr.span)


def _map(c: Checker, expr: tree.Map, scope: Scope) -> Any:
    return _keyed(c, [(entry, scope) for entry in expr.entries])


def _comprehension(c: Checker, expr: tree.Comprehension, scope: Scope) -> Any:
    scopes, item = comprehend(c, expr, scope), expr.item
    if scopes is None:
        return UNKNOWN
    if isinstance(item, tree.Entry):
        return _keyed(c, [(item, inner) for inner in scopes])
    return _all(tuple(evaluate(c, item, inner) for inner in scopes))


def _keyed(c: Checker, entries: list[tuple[tree.Entry, Scope]]) -> Any:
    pairs = [(evaluate(c, entry.key, s), evaluate(c, entry.value, s)) for entry, s in entries]
    if any(isinstance(item, Broken) for pair in pairs for item in pair):
        return UNKNOWN
    spans = [entry.key.span for entry, _ in entries]
    keys = [key for key, _ in pairs]
    return dict(pairs) if check_keys(c, zip(spans, keys, strict=True)) else UNKNOWN


def comprehend(c: Checker, expr: tree.Comprehension, scope: Scope) -> list[Scope] | None:
    """One scope per member that passes the condition, None after a report.

    Members of a family are its results, those of a map of plain values are its keys.
    """
    over = evaluate(c, expr.over, scope)
    members = tuple(over.values()) if isinstance(over, dict) and _are_results(over) else over
    if isinstance(members, dict):
        members = tuple(members)
    if isinstance(members, Broken):
        return None
    if not isinstance(members, tuple):
        c.wrong(expr.over.span, describe(over), "a list or a map", "a comprehension")
        return None
    scopes = []
    for number, member in enumerate(members, start=1):
        inner = scope.having(expr.variable.id, member).inside(str(number))
        holds = True if expr.condition is None else _condition(c, expr.condition, inner)
        if isinstance(holds, Broken):
            return None
        if holds:
            scopes.append(inner)
    return scopes


def _are_results(value: dict[str, Any]) -> bool:
    """A family of results gives its members; a map of plain values gives its keys."""
    return any(isinstance(item, Input) for item in value.values())


def _field(c: Checker, expr: tree.Field, scope: Scope) -> Any:
    value = evaluate(c, expr.value, scope)
    name = expr.name.id
    if isinstance(value, Used):
        return _of_module(c, value, expr.name)
    if isinstance(value, Modules):
        found = {key: _of_module(c, item, expr.name) for key, item in value.items()}
        return UNKNOWN if any(isinstance(item, Broken) for item in found.values()) else found
    if isinstance(value, dict) and value and all(isinstance(item, Input) for item in value.values()):
        if any(isinstance(item.type, MapType) for item in value.values()):
            return {key: part(c, item, name, expr.name.span) for key, item in value.items()}
        return _member(c, value, name, expr)
    if isinstance(value, Extension):
        method = method_at(c, expr, value)
        return UNKNOWN if method is None else c.method(method, (), expr.span, scope)
    return _part_or_score(c, value, name, expr)


def _of_module(c: Checker, module: Used, name: tree.Name) -> Any:
    from fusec.compiler.modules import member

    return member(c, module, name)


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
        if expr.callee.id in FUNCTIONS:
            got = f"`{expr.callee.id}(…)` is an expression over rows"
            return c.wrong(expr.span, got, "a value", "this place")
    extension = extension_of(c, expr.callee, scope)
    if isinstance(extension, Broken):
        return UNKNOWN
    if extension is not None and isinstance(expr.callee, tree.Field):
        method = method_at(c, expr.callee, extension)
        return UNKNOWN if method is None else c.method(method, expr.args, expr.callee.span, scope)
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
    return arithmetic.binary(c, expr, left, right)


def _unary(c: Checker, expr: tree.Unary, scope: Scope) -> Any:
    value = evaluate(c, expr.value, scope)
    return UNKNOWN if isinstance(value, Broken) else arithmetic.unary(c, expr, value)


def _all(items: tuple[Any, ...]) -> Any:
    return UNKNOWN if any(isinstance(item, Broken) for item in items) else items

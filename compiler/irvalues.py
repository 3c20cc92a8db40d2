"""Values of the IR as text and back: `[%math: 0.6, %code: 0.4]`, `ties(density: 0.5)`, `len(.text) in 3..9`.

The text is an expression of the language plus `%refs`, so the language's own parser reads it. A method is
called with named arguments or stands alone, an operator has its sign or is called with positional ones.
Among values `[...]` is a tuple; inside a row expression it is a list of the row, which elsewhere is
written `list(...)`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fusec.compiler.ir import Call, Pairs, Ref
from fusec.compiler.rowexpr import OPS, Col, Op
from fusec.lang import tree
from fusec.lang.lexer import REF, RESERVED
from fusec.lang.parse import parse_expr
from fusec.lang.source import Source
from fusec.lang.strings import quote

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ANY, _NEGATIVE, _POSTFIX = 0, 8, 9
# How tight each operator binds, and how tight its left and right sides must.
_BINARY = {
    "or": (1, 1, 2),
    "and": (2, 2, 3),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not in"), (4, 5, 5)),
    "range": (5, 6, 6),
    **dict.fromkeys("+-", (6, 6, 7)),
    **dict.fromkeys("*/", (7, 7, 8)),
}
_PREFIX = {"not": ("not ", 3), "neg": ("-", _NEGATIVE)}


def is_name(text: str) -> bool:
    """Whether `text` may stand bare where the language wants a name."""
    return _NAME.fullmatch(text) is not None and text not in RESERVED


# --- to text ----------------------------------------------------------------------------


def write_value(value: Any) -> str:
    """The text of a slot's value; `read_value` gives an equal value back."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(write_value, value))}]"
    if isinstance(value, Pairs):
        items = ", ".join(f"{write_value(key)}: {write_value(item)}" for key, item in value.items)
        return f"[{items}]" if items else "pairs()"
    if isinstance(value, Call):
        args = ", ".join(f"{name}: {write_value(arg)}" for name, arg in value.args)
        plain = is_name(value.name) and value.name != "none"
        return f"{_callee(value.name)}({args})" if args or not plain else value.name
    if isinstance(value, Op) and value.name == "list":
        return _call(value)
    return _expr(value, _ANY)


def write_ref(ref: Ref) -> str:
    """`%node` or `%node.key`, quoted where a part is not plain."""
    text = str(ref)
    plain = REF.fullmatch(text)
    if plain and (plain["node"], plain["key"] or "") == (ref.node, ref.key):
        return text
    return f"%{quote(ref.node)}.{quote(ref.key)}" if ref.key else f"%{quote(ref.node)}"


def _expr(value: Any, least: int) -> str:
    """An expression that binds at least as tight as its place asks, in parentheses if need be."""
    text, binds = _bound(value)
    return text if binds >= least else f"({text})"


def _bound(value: Any) -> tuple[str, int]:
    if isinstance(value, str):
        return quote(value), _POSTFIX
    if isinstance(value, bool):
        return str(value).lower(), _POSTFIX
    if _is_number(value):
        text = repr(value)
        return text, _NEGATIVE if text[0] == "-" else _POSTFIX
    if isinstance(value, Ref):
        return write_ref(value), _POSTFIX
    if isinstance(value, Col):
        plain = _NAME.fullmatch(value.name)
        return f".{value.name}" if plain else f"column({quote(value.name)})", _POSTFIX
    if isinstance(value, Op):
        return _op(value)
    return ("none" if value is None else write_value(value)), _POSTFIX


def _op(op: Op) -> tuple[str, int]:
    match op.name, op.args:
        case "range", (first, last) if _is_number(first) and _is_number(last):
            return f"{first!r}..{last!r}", _BINARY["range"][0]
        case name, (left, right) if name in _BINARY:
            binds, tight_left, tight_right = _BINARY[name]
            sign = ".." if name == "range" else name
            return f"{_expr(left, tight_left)} {sign} {_expr(right, tight_right)}", binds
        case "neg", (arg,) if _is_number(arg):
            return _call(op), _POSTFIX  # `-5` is the literal
        case name, (arg,) if name in _PREFIX:
            sign, binds = _PREFIX[name]
            return f"{sign}{_expr(arg, binds)}", binds
        case "field", (Col() | Op() as row, str() as field) if is_name(field):
            return f"{_expr(row, _POSTFIX)}.{field}", _POSTFIX
        case "index", (Col() | Op() as items, at):
            return f"{_expr(items, _POSTFIX)}[{_expr(at, _ANY)}]", _POSTFIX
        case "list", items:
            return f"[{', '.join(_expr(item, _ANY) for item in items)}]", _POSTFIX
    return _call(op), _POSTFIX


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _call(op: Op) -> str:
    return f"{_callee(op.name)}({', '.join(_expr(arg, _ANY) for arg in op.args)})"


def _callee(name: str) -> str:
    return name if is_name(name) else quote(name)


# --- from text --------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def read_value(text: str) -> Any:
    """The value that `text` stands for. Raises ValueError with the reason where it is none."""
    # The space keeps a name at the start from being a declaration keyword.
    expr, problems = parse_expr(Source("ir", f" {text}"), refs=True)
    if expr is None or problems:
        raise ValueError(problems[0].title())
    return _value(expr)


def read_ref(text: str) -> Ref:
    """The reference that `text` writes. Raises ValueError where it is none."""
    ref = read_value(text)
    if not isinstance(ref, Ref):
        raise ValueError(f"`{text}` is not a reference")
    return ref


def unquoted(text: str) -> str:
    """The text that a bare word or a string stands for."""
    if not text.startswith('"'):
        return text
    value = read_value(text)
    if not isinstance(value, str):
        raise ValueError(f"`{text}` is not a string")
    return value


def _value(expr: tree.Expr) -> Any:
    match expr:
        case tree.List():
            return tuple(map(_value, expr.items))
        case tree.Map():
            return Pairs(tuple((_value(entry.key), _value(entry.value)) for entry in expr.entries))
        case tree.Name():
            return None if expr.id == "none" else Call(expr.id)
    return _read(expr)


def _read(expr: tree.Expr) -> Any:
    """The value of an expression in which lists are lists of the row."""
    match expr:
        case tree.Number() | tree.Bool():
            return expr.value
        case tree.Text() if expr.literal is not None:
            return expr.literal
        case tree.Ref():
            return _ref(expr.id)
        case tree.Column():
            return Col(expr.id)
        case tree.Binary():
            return Op("range" if expr.op == ".." else expr.op, (_read(expr.left), _read(expr.right)))
        case tree.Unary(op="-", value=tree.Number() as number):
            return -number.value
        case tree.Unary(op="-" | "not"):
            return Op("neg" if expr.op == "-" else "not", (_read(expr.value),))
        case tree.Field():
            return Op("field", (_read(expr.value), expr.name.id))
        case tree.Index():
            return Op("index", (_read(expr.value), _read(expr.key)))
        case tree.List():
            return Op("list", tuple(map(_read, expr.items)))
        case tree.Call(callee=tree.Name(id=name)):
            return _called(name, expr)
        case tree.Call(callee=tree.Text() as text) if text.literal is not None:
            return _called(text.literal, expr)
        case tree.Name() | tree.Map():
            return _value(expr)
    raise ValueError(f"`{expr.span.text}` is not a value of the IR")


def _called(name: str, call: tree.Call) -> Any:
    named = [(arg.name.id, _value(arg.value)) for arg in call.args if arg.name is not None]
    if named and len(named) < len(call.args):
        raise ValueError(f"`{call.span.text}` mixes named and positional arguments")
    if name == "pairs" and not call.args:
        return Pairs(())
    if named or (not call.args and name not in OPS):
        return Call(name, tuple(named))
    args = tuple(_read(arg.value) for arg in call.args)
    match name, args:
        case "column", (str() as column,):
            return Col(column)
    return Op(name, args)


def _ref(text: str) -> Ref:
    parts = REF.fullmatch(text)
    assert parts is not None
    return Ref(unquoted(parts["node"]), unquoted(parts["key"] or ""))

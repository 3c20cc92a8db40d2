"""Parameters: their types, their defaults, and the values they get from outside or from a `use`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from fusec.compiler.evaluate import evaluate
from fusec.compiler.expect import fit
from fusec.compiler.module import Argument
from fusec.compiler.scope import Scope
from fusec.compiler.settings import Setting, read_text
from fusec.compiler.slots import Amount, Plain, Want
from fusec.compiler.values import UNKNOWN, Broken, Measure, describe
from fusec.lang import tree
from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.units import DISTINCT, UNITS

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

SCALARS: dict[str, Want] = {
    "Int": Plain("int"),
    "Float": Plain("float"),
    "Bool": Plain("bool"),
    "Str": Plain("str"),
    "Size": Amount("Size"),
    "Rate": Amount("Rate"),
    "Time": Amount("Time"),
    "Compute": Amount("Compute"),
    "Money": Amount("Money"),
    "Price": Amount("Price"),
    "Share": Amount("Share"),
    "Count": Amount("Count"),
}

CONTAINERS: dict[str, type] = {"List": tuple, "Map": dict}


class Container(msgspec.Struct, frozen=True):
    """`List[Size]`, `Map[Float]`: keys of a map are text."""

    name: str
    item: Wanted

    @property
    def python(self) -> type:
        return CONTAINERS[self.name]

    def __str__(self) -> str:
        return f"{self.name}[{self.item}]"


Wanted: TypeAlias = "Want | Container"


def param(c: Checker, name: str, decl: tree.Param) -> Any:
    want = written_type(c, decl.type)
    setting = c.module.settings.get(name)
    default: Any = None
    if decl.default is not None:
        default = _typed(c, decl.default, want, name)
    if name in c.arguments:
        return _given(c.arguments[name], want, default, name)
    if setting is None:
        if decl.default is None:
            wants = str(want) if want else ""
            if c.used_at is not None:
                owner = f"use {c.used_at.text}"
                c.report(Missing(owner=owner, name=name, at=c.used_at, what="argument", wants=wants))
            else:
                c.report(Missing(owner=name, name=name, at=decl.name.span, what="parameter", wants=wants))
            return UNKNOWN
        return default
    return _set(c, setting, want, default, name)


def _given(argument: Argument, want: Wanted | None, default: Any, name: str) -> Any:
    """The value of a parameter that a `use` gives; mistakes stand in the file that gives it."""
    if want is None and not isinstance(default, Broken) and default is not None:
        want = _like(default)
    return _plain_value(argument.checker, argument.value, argument.expr, want, name)


def _typed(c: Checker, expr: tree.Expr, want: Wanted | None, name: str) -> Any:
    """The value of a parameter: plain, and of the type it has."""
    return _plain_value(c, evaluate(c, expr, Scope()), expr, want, name)


def _plain_value(c: Checker, value: Any, expr: tree.Expr, want: Wanted | None, name: str) -> Any:
    if isinstance(value, Broken):
        return UNKNOWN
    if not _is_plain(value):
        return c.wrong(
            expr.span, describe(value), "a number, text or quantity, or a list of them", name, expr
        )
    if want is None:
        return value
    return as_written(c, value, expr, want, name)


def as_written(c: Checker, value: Any, expr: tree.Expr, want: Wanted, name: str) -> Any:
    """A value of the type that is written beside it; a quantity stays one."""
    if isinstance(want, Container):
        return _members(c, value, expr, want, name)
    fitted = fit(c, value, want, expr, name)
    if isinstance(want, Amount) and want.kind and type(value) is int and not isinstance(fitted, Broken):
        return Measure(value, want.dimension, want.kind)  # a bare count: a fifth of it is a count too
    return value if isinstance(value, Measure) and not isinstance(fitted, Broken) else fitted


def _members(c: Checker, value: Any, expr: tree.Expr, want: Container, name: str) -> Any:
    if isinstance(value, Broken):
        return UNKNOWN
    if value == () and want.python is dict:  # `[]` is both
        return {}
    if not isinstance(value, want.python):
        return c.wrong(expr.span, describe(value), str(want), name, expr)
    places: tuple[tree.Expr, ...] = ()
    if isinstance(expr, tree.List):
        places = expr.items
    elif isinstance(expr, tree.Map):
        places = tuple(entry.value for entry in expr.entries)
    items: Any = value.values() if isinstance(value, dict) else value
    made = [
        as_written(c, item, places[at] if at < len(places) else expr, want.item, name)
        for at, item in enumerate(items)
    ]
    if any(isinstance(item, Broken) for item in made):
        return UNKNOWN
    return dict(zip(value, made, strict=True)) if isinstance(value, dict) else tuple(made)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, dict)):
        return all(_is_plain(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, (bool, int, float, str, Measure))


def _set(c: Checker, setting: Setting, want: Wanted | None, default: Any, name: str) -> Any:
    """The value of `--set`: raw text for a Str, otherwise an expression of the parameter's type."""
    if want == Plain("str") or (want is None and isinstance(default, str)):
        return setting.text
    if setting.expr is None:
        got = f"`{setting.text}` is not a value" if setting.text.strip() else "nothing is set here"
        return c.wrong(setting.at, got, str(want) if want else describe(default), setting.given_by)
    if want is None and not isinstance(default, Broken) and default is not None:
        want = _like(default)
    expr = setting.expr
    if setting.from_file:  # a word there is a text of one word, and no name of the spec
        is_word = isinstance(expr, tree.Name)
        expr = tree.Text(span=expr.span, parts=(setting.text,)) if is_word else _unquoted(expr, want)
    return _typed(c, expr, want, setting.given_by)


def _unquoted(expr: tree.Expr, want: Wanted | None) -> tree.Expr:
    """The list or map of a parameter file, with what its strings say where no text is wanted: `["1 GB"]`."""
    if not isinstance(want, Container):
        return expr

    def member(item: tree.Expr) -> tree.Expr:
        text = item.literal if isinstance(item, tree.Text) else None
        if text is None or isinstance(want.item, Container) or want.item == Plain("str"):
            return _unquoted(item, want.item)
        read = read_text(text, item.span)
        return item if read is None or isinstance(read, tree.Name) else read

    match expr:
        case tree.List():
            return tree.List(span=expr.span, items=tuple(map(member, expr.items)))
        case tree.Map():
            entries = (tree.Entry(span=e.span, key=e.key, value=member(e.value)) for e in expr.entries)
            return tree.Map(span=expr.span, entries=tuple(entries))
    return expr


def _like(default: Any) -> Wanted | None:
    """The type that a default shows; none where the members of a list or map differ."""
    if isinstance(default, Measure):
        return Amount(default.dimension, default.kind if default.dimension in DISTINCT else "")
    if isinstance(default, (tuple, dict)):
        members = [_like(item) for item in (default.values() if isinstance(default, dict) else default)]
        if not members or members[0] is None or any(member != members[0] for member in members):
            return None
        return Container("Map" if isinstance(default, dict) else "List", members[0])
    plain = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(default))
    return Plain(plain) if plain else None


def written_type(c: Checker, written: tree.TypeExpr | None) -> Wanted | None:
    """What a written type asks for; None where nothing is written, or after a report."""
    if written is None:
        return None
    name = written.id if isinstance(written, (tree.TypeName, tree.TypeApply)) else ""
    if isinstance(written, tree.TypeApply) and name in CONTAINERS:
        inner = written.args[0].value if len(written.args) == 1 and written.args[0].name is None else None
        if isinstance(inner, (tree.TypeName, tree.TypeApply)):
            item = written_type(c, inner)
            return None if item is None else Container(name, item)
    if name not in SCALARS:
        known = (*SCALARS, *(f"{container}[Str]" for container in CONTAINERS))
        c.report(UnknownVerb(name=written.span.text, at=written.span, known=known, what="type"))
        return None
    want = SCALARS[name]
    return want if isinstance(written, tree.TypeName) else _of_kind(c, written, want)


def _of_kind(c: Checker, written: tree.TypeExpr, want: Want) -> Want | None:
    """`Count[rows]`, `Money[USD]`: a quantity of one kind."""
    dimension = want.dimension if isinstance(want, Amount) else None
    kinds = [unit.kind for unit in UNITS.values() if unit.dimension == dimension and dimension in DISTINCT]
    args = written.args if isinstance(written, tree.TypeApply) else ()
    if isinstance(want, Amount) and len(args) == 1 and args[0].span.text in kinds:
        return Amount(want.dimension, args[0].span.text)
    at = args[0].span if args else written.span
    c.report(UnknownVerb(name=at.text, at=at, known=tuple(dict.fromkeys(kinds)), what="unit"))
    return None

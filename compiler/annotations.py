"""Types that an author writes down: what they add to a source, and whether they are true.

A written type says the least that holds: more columns, parts or scores are fine, and so is a model that
gives more than it needs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from fusec.compiler.capabilities import gives
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input
from fusec.lang import tree
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.codes.fuse205_column_type import ColumnTypeDiffers
from fusec.lang.codes.fuse210_cannot_give import CannotGive
from fusec.lang.column_types import SCALARS, fits, parse_column_type
from fusec.lang.types import (
    CAPABILITIES,
    DataType,
    DeltaType,
    EndpointType,
    MapType,
    ModelType,
    ReportType,
    TokenizerType,
    Type,
    noun,
)

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

MODELS = tuple(kind.capitalize() for kind in CAPABILITIES)
_BY = "its written type"
_Rooted = TypeVar("_Rooted", bound=ModelType | DeltaType)
_HASH = 6  # as many digits of a fingerprint as tell two tokenizers apart


def with_root(c: Checker, type_: _Rooted, written: tree.TypeExpr) -> _Rooted:
    """A model whose ancestor the author states: `Model[_, _, root: base]`, or `self` for one without.

    Of a delta, `Delta[_, root: base]` states the model that it is added to.
    """
    for arg in _args(written):
        root = _stated_root(c, type_, arg)
        if root is not None:
            return msgspec.structs.replace(type_, root=root)
    return type_


def check_stated(c: Checker, decl: tree.Bind, type_: Type) -> None:
    """Report what the written type of a declaration says that its value does not have."""
    if decl.type is not None:
        _check(c, decl, decl.type, type_)


def _check(c: Checker, decl: tree.Bind, written: tree.TypeExpr, type_: Type) -> None:
    if written.span.text == "_":
        return
    head = written.id if isinstance(written, (tree.TypeName, tree.TypeApply)) else ""
    model = isinstance(type_, (ModelType, EndpointType))
    kind = decl.kind.capitalize() if model else noun(type_)
    if head not in (MODELS if model else (kind,)):
        c.wrong(written.span, f"`{written.span.text}` is another kind", kind, decl.kind)
    elif not gives(type_, head.lower()):
        made = decl.value.uri.span if isinstance(decl.value, tree.From) else None
        c.report(CannotGive(decl.name.id, written.span, noun(type_), head, _BY, written.span, made))
    else:
        for position, arg in enumerate(_args(written)):
            _check_arg(c, decl, head, arg, type_, position)


def _check_arg(c: Checker, decl: tree.Bind, head: str, arg: tree.TypeArg, type_: Type, position: int) -> None:
    known = {"Model": ("root",), "Delta": ("root",), "Tokenizer": ("vocab",)}.get(head, ())
    if head in ("Scorer", "Sampler"):
        c.wrong(arg.span, f"`{arg.span.text}` is an argument", f"{head} alone", _BY)
    elif arg.name is not None and arg.name.id not in known and not isinstance(type_, MapType):
        name = arg.name
        c.report(UnknownSlot(owner=head, name=name.id, at=name.span, known=known, what="argument"))
    elif isinstance(type_, (ModelType, DeltaType)):
        _check_model(c, decl, arg, type_, position)
    elif isinstance(type_, DataType):
        _check_columns(c, decl, arg, type_)
    elif isinstance(type_, TokenizerType):
        _check_tokenizer(c, decl, arg, type_)
    elif isinstance(type_, ReportType):
        _check_report(c, decl, arg, type_)
    elif isinstance(type_, MapType):
        _check_parts(c, decl, arg, type_)


def _check_model(
    c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: ModelType | DeltaType, position: int
) -> None:
    facts = {"space": type_.space.name, "dtype": type_.dtype}
    if isinstance(type_, DeltaType):
        del facts["dtype"]
    text, got = arg.span.text, f"`{decl.name.id}` is {type_}"
    if arg.name is not None:
        root, has = _stated_root(c, type_, arg), type_.root or type_.identity
        if root is not None and type_.root and root != has:
            got = f"the ancestor of `{decl.name.id}` is {has}"
            c.wrong(arg.value.span, got, f"the ancestor `{text}`", _BY)
    elif position >= len(facts):
        c.wrong(arg.span, got, " and ".join(f"a {fact}" for fact in facts), _BY)
    elif text not in ("_", list(facts.values())[position]):
        c.wrong(arg.span, got, f"the {list(facts)[position]} `{text}`", _BY)


def _check_columns(c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: DataType) -> None:
    if not isinstance(arg.value, tree.RowType):
        if arg.span.text != "_":
            c.wrong(arg.span, f"`{arg.span.text}` is no row type", "columns such as `{text: Str}`", _BY)
        return
    has = dict(type_.columns)
    for column in arg.value.columns:
        name, text = column.name.id, column.type.span.text
        try:
            wants = parse_column_type(text)
        except ValueError:
            at = column.type.span
            c.report(UnknownVerb(name=text, at=at, known=tuple(SCALARS), what="type"))
            continue
        if name not in has:
            why = "a written type holds for every row"
            c.report(
                ColumnMissing(needs=decl.name.id, column=name, at=column.span, has=tuple(has), why_needed=why)
            )
        elif not fits(has[name], wants):
            c.report(ColumnTypeDiffers(column=name, at=column.span, has=str(has[name]), wants=text, by=_BY))


def _check_tokenizer(c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: TokenizerType) -> None:
    """`Tokenizer[32000]`, `Tokenizer[vocab: 32000]`, or the first digits of its fingerprint as a text."""
    text = arg.value.span.text
    digits = text.strip('"')
    named = len(digits) >= _HASH and type_.fingerprint.startswith(digits) and arg.name is None
    if text.replace("_", "") not in ("", str(type_.vocab)) and not named:
        trained = type_.fingerprint.startswith("%")  # named by its step until it is there
        known = "" if trained else f" with the fingerprint {type_.fingerprint[:8]}"
        got = f"`{decl.name.id}` is {type_}{known}"
        c.wrong(arg.span, got, f"Tokenizer[{arg.span.text}]", _BY)


def _check_report(c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: ReportType) -> None:
    """`Report[loss, accuracy]` as reports print themselves, or `Report[{code: Score}]` by what was scored."""
    if isinstance(arg.value, tree.RowType):
        names = [column.name for column in arg.value.columns]
        for column in arg.value.columns:
            if column.type.span.text != "Score":
                at = column.type.span
                c.report(UnknownVerb(name=at.text, at=at, known=("Score",), what="type"))
        spans = [(name.id, name.span) for name in names]
    else:
        spans = [(arg.span.text, arg.span)]
    for name, at in spans:
        if name != "_" and name not in (*type_.keys, *type_.scores):
            has = ", ".join((*type_.keys, *type_.scores))
            c.wrong(at, f"`{decl.name.id}` is a report of {has}", f"a score `{name}`", _BY)


def _check_parts(c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: MapType) -> None:
    """`Map[Data[{text: Str}]]` of every part, `Map[train: Data]` of one."""
    parts = dict(type_.items)
    if arg.name is not None and arg.name.id not in parts:
        name = arg.name
        c.report(UnknownSlot(owner="Map", name=name.id, at=name.span, known=tuple(parts), what="argument"))
        return
    for key in parts if arg.name is None else (arg.name.id,):
        if isinstance(arg.value, (tree.TypeName, tree.TypeApply)):
            _check(c, decl, arg.value, parts[key])
        else:
            c.wrong(arg.value.span, f"`{arg.value.span.text}` is no kind", noun(parts[key]), _BY)
            return


def _stated_root(c: Checker, type_: ModelType | DeltaType, arg: tree.TypeArg) -> str | None:
    """The ancestor that an argument names, None where it names none."""
    if arg.name is None or arg.name.id != "root" or not isinstance(arg.value, tree.TypeName):
        return None
    name = tree.Name(span=arg.value.span, id=arg.value.id)
    if name.id == "self":
        return type_.identity
    root = c.lookup(name, Scope())
    if isinstance(root, Input) and isinstance(root.type, ModelType):
        return root.type.root or root.type.identity
    if isinstance(root, Input):
        c.wrong(name.span, f"`{name.id}` is not a model with weights", "Model", "root", name)
    return None


def _args(written: tree.TypeExpr) -> tuple[tree.TypeArg, ...]:
    return written.args if isinstance(written, tree.TypeApply) else ()

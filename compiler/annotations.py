"""Types that an author writes down: what they add to a source, and whether they are true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input
from fusec.lang import tree
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.codes.fuse205_column_type import ColumnTypeDiffers
from fusec.lang.column_types import SCALARS, parse_column_type
from fusec.lang.types import DataType, ModelType, Type

if TYPE_CHECKING:
    from fusec.compiler.check import Checker


def with_root(c: Checker, type_: ModelType, written: tree.TypeExpr) -> ModelType:
    """A model whose ancestor the author states: `Model[_, _, root: base]`, or `self` for one without."""
    for arg in written.args if isinstance(written, tree.TypeApply) else ():
        if arg.name is None or arg.name.id != "root" or not isinstance(arg.value, tree.TypeName):
            continue
        name = tree.Name(span=arg.value.span, id=arg.value.id)
        if name.id == "self":
            return msgspec.structs.replace(type_, root=type_.identity)
        root = c.lookup(name, Scope())
        if isinstance(root, Input) and isinstance(root.type, ModelType):
            return msgspec.structs.replace(type_, root=root.type.root or root.type.identity)
        if isinstance(root, Input):
            c.wrong(name.span, f"`{name.id}` is not a model", "Model", "root", name)
    return type_


def check_stated(c: Checker, decl: tree.Bind, type_: Type) -> None:
    """Report what the written type of a declaration says that its value does not have."""
    written = decl.type
    kind = decl.kind.capitalize()
    if not isinstance(written, (tree.TypeName, tree.TypeApply)) or written.id != kind:
        if written is not None:
            c.wrong(written.span, f"`{written.span.text}` is another kind", kind, decl.kind)
        return
    for position, arg in enumerate(written.args if isinstance(written, tree.TypeApply) else ()):
        known = ("root",) if isinstance(type_, ModelType) else ()
        if arg.name is not None and arg.name.id not in known:
            name = arg.name
            c.report(UnknownSlot(owner=kind, name=name.id, at=name.span, known=known, what="argument"))
        elif arg.name is None and isinstance(type_, ModelType):
            _check_model(c, decl, arg, type_, position)
        elif arg.name is None and isinstance(type_, DataType):
            _check_columns(c, decl, arg, type_)


def _check_model(c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: ModelType, position: int) -> None:
    text, got = arg.span.text, f"`{decl.name.id}` is {type_}"
    if position > 1:
        c.wrong(arg.span, got, "a space and a dtype", "its written type")
    elif text not in ("_", (type_.space.name, type_.dtype)[position]):
        wants = f"the {('space', 'dtype')[position]} `{text}`"
        c.wrong(arg.span, got, wants, "its written type")


def _check_columns(c: Checker, decl: tree.Bind, arg: tree.TypeArg, type_: DataType) -> None:
    has = dict(type_.columns)
    for column in arg.value.columns if isinstance(arg.value, tree.RowType) else ():
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
        elif has[name] != wants:
            c.report(
                ColumnTypeDiffers(
                    column=name, at=column.span, has=str(has[name]), wants=text, by="its written type"
                )
            )

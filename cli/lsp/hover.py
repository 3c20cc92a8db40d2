"""What stands under the cursor, in Markdown: names with kind and type, manual pages, exact amounts."""

from __future__ import annotations

from typing import Any, NamedTuple

from fusec.cli import pages
from fusec.cli.lsp.document import Document
from fusec.cli.lsp.index import declared, found_at, path_to
from fusec.compiler.slots import Input
from fusec.compiler.step import Declared, find_method, find_verb
from fusec.compiler.steps.source import SourceData, SourceModel
from fusec.compiler.typed import Typed, TypedStep
from fusec.lang import tree
from fusec.lang.source import Span
from fusec.lang.types import DataType, ModelType, Type
from fusec.lang.units import UNITS, grouped, quantity_text


class Hover(NamedTuple):
    text: str
    span: Span


def hover(document: Document, typed: Typed, offset: int) -> Hover | None:
    """The text about the smallest thing at `offset` that has something to say."""
    place = document.span(offset, offset)
    for declaration in document.declarations_at(offset):
        if not declaration.span.start <= place.start <= declaration.span.end:
            continue
        path = path_to(declaration, place.start)
        found = found_at(document, offset)
        if found is not None:
            if found.owner is not None:
                return Hover(_code(f"{found.name}: a variable, one value at a time"), found.span)
            return Hover(_name(document, typed, found.name), found.span)
        return _thing(path, typed)
    return None


def _thing(path: list[tree.Node], typed: Typed) -> Hover | None:
    *_, around, parent, node = (None, None, *path)
    match node, parent:
        case tree.Name(), (tree.Step() | tree.Stage()) if (verb := find_verb(node.id)) is not None:
            return Hover(_code(pages.verb_page(verb)), node.span)
        case tree.Name(), tree.Slot() if node is parent.name:
            return _slot(path, node)
        case tree.Name(), tree.Arg() if node is parent.name and isinstance(around, tree.Call):
            method = find_method(around.callee.span.text)
            return _of(method, node) if method else None
        case tree.Name(), _ if (method := find_method(node.id)) is not None:
            return Hover(_code(pages.method_page(method)), node.span)
        case tree.Quantity(), _ if node.unit in UNITS:
            unit = UNITS[node.unit]
            base = unit.base(node.value)
            shown = quantity_text(base, unit.dimension, unit.kind)
            exact = f"{base:_}" if isinstance(base, int) else f"{base:g}"
            held = {"Size": "bytes", "Time": "seconds", "Share": "as a fraction"}.get(
                unit.dimension, unit.kind
            )
            return Hover(_code(f"{shown}: {unit.dimension}") + f"\n\n{exact} {held}", node.span)
        case tree.Column(), _:
            columns = columns_at(path, typed)
            if columns is not None and node.id in columns:
                return Hover(_code(f".{node.id}: {columns[node.id]}"), node.span)
    return None


def _slot(path: list[tree.Node], name: tree.Name) -> Hover | None:
    owner = next((n for n in reversed(path) if isinstance(n, (tree.Step, tree.Stage))), None)
    verb = find_verb(owner.verb.span.text) if owner is not None else None
    return _of(verb, name) if verb else None


def _of(cls: type[Declared], name: tree.Name) -> Hover | None:
    row = next((row for row in pages.slot_rows(cls) if row[0] == name.id), None)
    if row is None:
        return None
    _, wants, default, bounds = row
    owner = getattr(cls, "verb", "") or getattr(cls, "name", "")
    rest = ", ".join(filter(None, (default, bounds)))
    return Hover(_code(f"{name.id}: {wants}") + f"\n\n`{owner}`: {rest}", name.span)


def columns_at(path: list[tree.Node], typed: Typed) -> dict[str, Any] | None:
    """The columns of the rows that a place looks at: those of the data its step takes."""
    for node in reversed(path):
        if isinstance(node, (tree.Step, tree.Stage)):
            made = next((step for step in typed.steps.values() if step.at == node.verb.span), None)
            data = getattr(made.step, made.step.subject, None) if made else None
            if isinstance(data, Input) and isinstance(data.type, DataType):
                return dict(data.type.columns)
            return None
    return None


def _name(document: Document, typed: Typed, name: str) -> str:
    declaration = declared(document)[name]
    kind = declaration.kind if isinstance(declaration, (tree.Bind, tree.Broken)) else ""
    head = f"{kind or type(declaration).__name__.lower()} {name}"
    family = getattr(declaration, "family", None)
    if isinstance(family, tree.Family):
        head += f"[{family.variable.id} in {family.over.span.text}]"
    made = members(typed, name)
    blocks: list[str] = []
    if made:
        head += f": {made[0].type}"
        blocks = [_sizes(made[0].type), _origin(made)]
    elif isinstance(declaration, tree.Param) and name in typed.params:
        head += f" = {_shown(typed.params[name])}"
    elif isinstance(declaration, tree.Let):
        head += f" = {declaration.value.span.text}"
    return "\n\n".join(filter(None, (_code(head), declaration.doc, *blocks)))


def members(typed: Typed, name: str) -> list[TypedStep]:
    """The step of a name, or those of the members of a family."""
    if name in typed.steps:
        return [typed.steps[name]]
    inside = f"{name}["
    return [step for key, step in typed.steps.items() if key.startswith(inside) and key.endswith("]")]


def _sizes(type_: Type) -> str:
    if isinstance(type_, ModelType):
        space = type_.space
        params, size = grouped(space.params), quantity_text(space.bytes, "Size")
        return f"{params} parameters in {space.tensors} tensors, {size}, vocabulary {grouped(space.vocab)}"
    if isinstance(type_, DataType):
        rows = "an unknown number of rows" if type_.rows < 0 else f"{grouped(type_.rows)} rows"
        return rows + (f", {quantity_text(type_.bytes, 'Size')}" if type_.bytes >= 0 else "")
    return ""


def _origin(made: list[TypedStep]) -> str:
    step = made[0].step
    family = f", one of {len(made)}" if len(made) > 1 else ""
    if isinstance(step, (SourceModel, SourceData)):
        return f"from `{step.uri}`{family}"
    return f"made by `{step.verb}`, grade {step.grade}{family}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _code(text: str) -> str:
    return f"```fuse\n{text}\n```"

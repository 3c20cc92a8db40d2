"""What stands under the cursor, in Markdown: names with kind and type, manual pages, exact amounts."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fusec.cli import pages
from fusec.cli.lsp.document import Document
from fusec.cli.lsp.index import Occurrence, declared, path_to
from fusec.cli.lsp.names import Symbol, symbols_at
from fusec.cli.lsp.outline import kind_of
from fusec.cli.lsp.spec import Spec
from fusec.cli.lsp.workspace import Workspace
from fusec.compiler.packages import loaded
from fusec.compiler.slots import Input
from fusec.compiler.step import Declared, find_method, find_verb
from fusec.compiler.steps.source import SourceData, SourceEndpoint, SourceModel
from fusec.compiler.typed import Typed, TypedStep
from fusec.compiler.values import Broken, Used, written
from fusec.lang import tree
from fusec.lang.source import Span
from fusec.lang.types import DataType, DeltaType, ModelType, Type
from fusec.lang.units import UNITS, grouped, quantity_text


class Hover(NamedTuple):
    text: str
    span: Span


def hover(spec: Spec, workspace: Workspace, offset: int) -> Hover | None:
    """The text about the smallest thing at `offset` that has something to say."""
    document = spec.document
    place = document.span(offset, offset)
    for declaration in document.declarations_at(offset):
        if not declaration.span.start <= place.start <= declaration.span.end:
            continue
        found = symbols_at(spec, offset)
        if found is not None:
            text = _symbol(spec, workspace, *found)
            return Hover(text, found[0].span) if text else None
        path = path_to(declaration, place.start)
        if isinstance(declaration, tree.Use) and path[-1] is declaration.path:
            return Hover(_name(document, spec.typed, declaration.name.id), declaration.path.span)
        return _thing(path, spec.typed)
    return None


def _symbol(spec: Spec, workspace: Workspace, found: Occurrence, symbols: list[Symbol]) -> str:
    if found.owner is not None:
        return _code(f"{found.name}: a variable, one value at a time")
    if not found.alias:
        return _name(spec.document, spec.typed, found.name)
    for symbol in symbols:
        document = workspace.document(symbol.identity)
        if document is not None and found.name in declared(document):
            return _name(document, spec.typed, found.name, found.alias)
    return ""


def _thing(path: list[tree.Node], typed: Typed) -> Hover | None:
    *_, around, parent, node = (None, None, *path)
    match node, parent:
        case tree.Name(), (tree.Step() | tree.Stage()) if (verb := find_verb(node.id)) is not None:
            return Hover(_code(pages.verb_page(verb)), node.span)
        case tree.Name(), tree.Field() if (page := _page_of_package(parent, typed)) is not None:
            return Hover(_code(page), node.span)
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


def _page_of_package(word: tree.Field, typed: Typed) -> str | None:
    """The page about `alias.word`, a verb or method of a package."""
    used = typed.packages.get(word.value.span.text)
    package = loaded(used.pin.name) if used is not None else None
    if package is None:
        return None
    verb, method = package.verbs.get(word.name.id), package.methods.get(word.name.id)
    return pages.verb_page(verb) if verb else pages.method_page(method) if method else None


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


def _name(document: Document, typed: Typed, name: str, alias: str = "") -> str:
    """About a name that `document` declares; with `alias` as the file is used under that."""
    declaration = declared(document)[name]
    head = f"{kind_of(declaration)} {name}"
    family = getattr(declaration, "family", None)
    if isinstance(family, tree.Family):
        head += f"[{family.variable.id} in {family.over.span.text}]"
    made = members(typed, name, alias)
    blocks: list[str] = []
    if made:
        head += f": {made[0].type}"
        blocks = [_sizes(made[0].type), _origin(made), _licence(made[0], typed)]
    elif isinstance(declaration, tree.Param):
        head += _param(declaration, [v for v in values(typed, name, alias) if not isinstance(v, Broken)])
    elif isinstance(declaration, tree.Let):
        head += f" = {declaration.value.span.text}"
    elif isinstance(declaration, tree.Use):
        blocks = _results(values(typed, name))
        head = f"use {declaration.path.span.text} as {head.removeprefix('use ')}"
    return "\n\n".join(filter(None, (_code(head), declaration.doc, *blocks)))


def _param(declaration: tree.Param, given: list[Any]) -> str:
    """The value, or those it has in a family of uses; else the type as written."""
    shown = ", ".join(dict.fromkeys(_shown(written(value)) for value in given))
    if shown:
        return f" = {shown}"
    return f": {declaration.type.span.text}" if declaration.type is not None else ""


def _results(used: list[Any]) -> list[str]:
    """What a used file gives."""
    for module in used:
        if isinstance(module, Used):
            named = module.checker.module.named
            results = [n for n, d in named.items() if isinstance(d, (tree.Bind, tree.Let))]
            return [f"gives {', '.join(f'`{name}`' for name in results)}"] if results else []
    return []


def values(typed: Typed, name: str, alias: str = "") -> list[Any]:
    """What a name of the file stands for, or one of the file that is used as `alias`: one for each key."""
    made = typed.values.get(alias or name)
    found = list(made.values()) if isinstance(made, dict) else [made]
    if not alias:
        return found
    checkers = [used.checker for used in found if isinstance(used, Used)]
    return [c.value_of(name, d) for c in checkers if (d := c.module.named.get(name)) is not None]


_KEY = r"(?:\[[^\]]*\])"


def members(typed: Typed, name: str, alias: str = "") -> list[TypedStep]:
    """The step of a name, or those of the members of a family, or of a family of used files."""
    address = f"{alias}.{name}" if alias else name
    if address in typed.steps:
        return [typed.steps[address]]
    wanted = re.compile(f"{alias}{_KEY}?[.]{name}{_KEY}?" if alias else f"{re.escape(name)}{_KEY}")
    return [step for address, step in typed.steps.items() if wanted.fullmatch(address)]


def _sizes(type_: Type) -> str:
    if isinstance(type_, ModelType):
        space = type_.space
        params, size = grouped(space.params), quantity_text(space.bytes, "Size")
        rows = f", vocabulary {grouped(space.vocab)}" if space.vocab else " at most"
        return f"{params} parameters in {space.tensors} tensors, {size}{rows}"
    if isinstance(type_, DeltaType):
        rank = f" in factors of rank {type_.rank} at most" if type_.rank else ""
        return f"changes {type_.space.tensors} tensors, {quantity_text(type_.space.bytes, 'Size')}{rank}"
    if isinstance(type_, DataType):
        rows = "an unknown number of rows" if type_.rows < 0 else f"{grouped(type_.rows)} rows"
        return rows + (f", {quantity_text(type_.bytes, 'Size')}" if type_.bytes >= 0 else "")
    return ""


def _origin(made: list[TypedStep]) -> str:
    step = made[0].step
    family = f", one of {len(made)}" if len(made) > 1 else ""
    if isinstance(step, (SourceModel, SourceData, SourceEndpoint)):
        return f"from `{step.uri}`{family}"
    return f"made by `{step.verb}`, grade {step.grade}{family}"


def _licence(step: TypedStep, typed: Typed) -> str:
    stated = typed.licences.get(step.name, "")
    return f"licence {stated}" if stated else ""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _code(text: str) -> str:
    return f"```fuse\n{text}\n```"

"""What may be written at the cursor: from the declarations of verbs and methods, and from the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsprotocol import types as lsp

from fusec.cli import pages
from fusec.cli.lsp.convert import range_of
from fusec.cli.lsp.cursor import Bracket, Cursor, expects_slot, read_cursor
from fusec.cli.lsp.document import Document
from fusec.cli.lsp.hover import members, values
from fusec.cli.lsp.index import declared
from fusec.cli.lsp.outline import kind_of
from fusec.cli.lsp.spec import Spec
from fusec.compiler.gates import LIMITS
from fusec.compiler.packages import loaded
from fusec.compiler.rowexpr import FUNCTIONS
from fusec.compiler.slots import (
    Amount,
    ColumnName,
    ListOf,
    Many,
    MethodOf,
    One,
    Plain,
    RowOf,
    WeightedMany,
    Words,
)
from fusec.compiler.step import Declared, Step, find_method, find_verb, methods_of, verb_names
from fusec.compiler.steps.source import OPTIONS
from fusec.compiler.typed import Typed
from fusec.compiler.values import Used
from fusec.lang import tree
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.lexer import DECLARATIONS
from fusec.lang.types import CAPABILITIES, MapType, ReportType, score_paths
from fusec.lang.units import UNITS
from fusec.runtime.sources.problems import Unusable

Kind = lsp.CompletionItemKind
Offer = tuple[str, lsp.CompletionItemKind, str, str, str]
"""Label, kind, detail, manual text, text to insert."""


def complete(spec: Spec, offset: int) -> list[lsp.CompletionItem]:
    """The offers at `offset`, the best first."""
    document = spec.document
    piece = document.piece_at(offset)
    cursor = read_cursor(piece, offset - piece.start)
    place = range_of(document.span(offset - len(cursor.prefix), offset)._replace(end=offset - piece.start))
    found: dict[str, Offer] = {}
    for offer in _offers(spec, offset, cursor):
        found.setdefault(offer[0], offer)
    return [
        lsp.CompletionItem(
            label=label,
            kind=kind,
            detail=detail or None,
            documentation=lsp.MarkupContent(lsp.MarkupKind.PlainText, manual) if manual else None,
            sort_text=f"{number:04}",
            text_edit=lsp.TextEdit(place, insert or label),
        )
        for number, (label, kind, detail, manual, insert) in enumerate(found.values())
    ]


def _offers(spec: Spec, offset: int, cursor: Cursor) -> Iterator[Offer]:
    document, typed = spec.document, spec.typed
    if cursor.nothing:
        return
    if cursor.path_of_use:
        yield from _files(spec, cursor.prefix)
    elif cursor.key_of:
        yield from _keys(typed, cursor.key_of)
    elif cursor.line_start and not cursor.open:
        yield from ((word, Kind.Keyword, "", "", f"{word} ") for word in sorted(DECLARATIONS))
    elif cursor.after_number:
        yield from _units(_want(cursor))
    elif cursor.before == "." and cursor.path:
        yield from _parts(document, typed, cursor.path)
    elif cursor.before == ".":
        yield from _columns(spec, offset, cursor)
    elif cursor.before == "|>":
        yield from _verbs()
    elif cursor.keyword == "use" and expects_slot(cursor):
        yield from _parameters(spec, cursor)
    elif expects_slot(cursor) and (slots := list(_slots(cursor))):
        yield from slots
    elif not cursor.open and cursor.before == "=":
        if cursor.keyword in ("model", "delta", "data", "tokenizer", "report"):
            yield from _names(document, typed, cursor.keyword)
            yield from _verbs()
        elif cursor.keyword == "target":
            yield from _methods("target")
        else:
            yield from _names(document, typed)
            yield from _verbs()
    else:
        yield from _values(document, typed, cursor)


def _verbs() -> Iterator[Offer]:
    for name in verb_names():
        verb = find_verb(name)
        if verb is not None:
            yield name, Kind.Function, f"{verb.grade} step", pages.verb_page(verb), f"{name} "


def _methods(family: str) -> Iterator[Offer]:
    for name, cls in methods_of(family).items():
        needs = ", ".join(f"{slot}: " for slot in cls.required())
        yield (
            name,
            Kind.Method,
            f"{family} method",
            pages.method_page(cls),
            f"{name}({needs})" if needs else name,
        )


def _owner(cursor: Cursor, block: Bracket) -> type[Declared] | None:
    """The verb or method whose slots are being written."""
    if block.opener == "(":
        return find_method(block.owner)
    return find_verb(block.owner)


def _slots(cursor: Cursor) -> Iterator[Offer]:
    """The names that may come next: the missing ones, which the rest cannot do without, first."""
    block = cursor.open[-1]
    used = block.used - {cursor.prefix}
    if block.owner == "budget":
        yield from ((n, Kind.Field, str(w), "", f"{n}: ") for n, w in LIMITS.items() if n not in used)
        return
    if block.owner_kind == "STRING":
        options = OPTIONS.get(cursor.keyword, {})
        yield from ((n, Kind.Field, str(w), "", f"{n}: ") for n, w in options.items() if n not in used)
        return
    cls = _owner(cursor, block)
    if cls is None:
        return
    open_slots = getattr(cls, "open_slots", "")
    filled = {getattr(cls, "subject", "")} if block.piped else set()
    rows = [row for row in pages.slot_rows(cls) if row[0] not in used | filled and row[0] != "any name"]
    for name, wants, default, bounds in sorted(rows, key=lambda row: not row[2].startswith("required")):
        if name != open_slots:
            yield name, Kind.Field, ", ".join(filter(None, (wants, default, bounds))), "", f"{name}: "


def _want(cursor: Cursor) -> Any:
    """What the slot or argument being written may hold."""
    block = cursor.block
    if block is None:
        return None
    if block.owner == "budget":
        return LIMITS.get(block.slot or "")
    if block.owner_kind == "STRING":
        return OPTIONS.get(cursor.keyword, {}).get(block.slot or "")
    cls = _owner(cursor, block)
    if cls is None:
        return None
    wants = cls.wants()
    if block.slot is None:
        return next(iter(wants.values()), None) if block.opener == "(" else None
    return wants.get(block.slot, cls.open_want if issubclass(cls, Step) else None)


def _values(document: Document, typed: Typed, cursor: Cursor) -> Iterator[Offer]:
    match want := _want(cursor):
        case MethodOf(family=family) | ListOf(item=MethodOf(family=family)):
            yield from _methods(family)
        case Words():
            yield from ((word, Kind.EnumMember, "", "", "") for word in want.options)
        case One() | Many() | WeightedMany():
            kind = "model" if want.kind in CAPABILITIES else want.kind
            yield from _names(document, typed, kind, *want.also)
        case Plain(type="bool"):
            yield from ((word, Kind.Keyword, "", "", "") for word in ("true", "false"))
            yield from _names(document, typed, "param", "let")
        case Plain() | Amount():
            yield from _names(document, typed, "param", "let")
        case RowOf():
            yield from ((name, Kind.Function, "of a row", "", f"{name}(") for name in FUNCTIONS)
            yield from _names(document, typed, "param", "let")
        case ColumnName():
            return
        case _:
            yield from _names(document, typed)


def _names(document: Document, typed: Typed, *kinds: str) -> Iterator[Offer]:
    """The names of the file of these kinds, or all of them."""
    for name, declaration in declared(document).items():
        kind = kind_of(declaration)
        if not kinds or kind in kinds:
            made = members(typed, name)
            yield name, Kind.Variable, str(made[0].type) if made else kind, declaration.doc, ""


def _units(want: Any) -> Iterator[Offer]:
    fitting = [
        unit
        for unit in UNITS.values()
        if not isinstance(want, Amount) or (unit.dimension == want.dimension and want.kind in ("", unit.kind))
    ]
    for unit in fitting:
        yield unit.name, Kind.Unit, unit.dimension, "", ""


def _keys(typed: Typed, family: str) -> Iterator[Offer]:
    made = typed.values.get(family)
    for key in made if isinstance(made, dict) else ():
        step = next(iter(members(typed, f"{family}[{key}]")), None)
        yield key, Kind.Constant, str(step.type) if step else "", "", ""


def _parts(document: Document, typed: Typed, path: tuple[str, ...]) -> Iterator[Offer]:
    """What may follow the dot behind a name: scores of a report, parts of a split, members of a family."""
    name, *inside = path
    alias = ""
    if isinstance(declared(document).get(name), tree.Use):
        if not inside:
            yield from _results(typed, name)
            return
        alias, name, *inside = path
    if name in typed.packages and not inside:
        yield from _words_of(typed, name)
    made = members(typed, name, alias)
    if not alias and made and made[0].name != name and not inside:
        yield from _keys(typed, name)
    type_ = made[0].type if made else None
    if isinstance(type_, MapType) and not inside:
        yield from ((key, Kind.Field, str(part), "", "") for key, part in type_.items)
    elif isinstance(type_, ReportType):
        start = "".join(f"{part}." for part in inside)
        rest = (path[len(start) :].split(".")[0] for path in score_paths(type_) if path.startswith(start))
        yield from ((score, Kind.Field, "a score", "", "") for score in dict.fromkeys(rest))


def _results(typed: Typed, alias: str) -> Iterator[Offer]:
    """What a used file declares, its results before its parameters and definitions."""
    used = next((one for one in values(typed, alias) if isinstance(one, Used)), None)
    named = used.checker.module.named if used else {}
    for name, declaration in sorted(named.items(), key=lambda item: not isinstance(item[1], tree.Bind)):
        made = members(typed, name, alias)
        shown = str(made[0].type) if made else kind_of(declaration)
        yield name, Kind.Variable, shown, declaration.doc, ""


def _parameters(spec: Spec, cursor: Cursor) -> Iterator[Offer]:
    """The parameters of the file whose path stands before the parenthesis, those without a value first."""
    block = cursor.open[-1]
    try:
        document = spec.used_file(block.owner[1:-1])
    except (OSError, ValueError, Unusable):
        return
    params = [d for d in document.declarations if isinstance(d, tree.Param)]
    for param in sorted(params, key=lambda param: param.default is not None):
        name = param.name.id
        if name not in block.used - {cursor.prefix}:
            wants = param.type.span.text if param.type else ""
            default = f"default {param.default.span.text}" if param.default else "required"
            yield name, Kind.Field, ", ".join(filter(None, (wants, default))), param.doc, f"{name}: "


def _files(spec: Spec, begun: str) -> Iterator[Offer]:
    """Specs and folders beside the spec, or in the folder that the path names so far."""
    inside = begun.rpartition("/")[0]
    for path in spec.beside(inside):
        name = f"{inside}/{path.name}" if inside else path.name
        yield (f"{name}/", Kind.Folder, "", "", "") if path.is_dir() else (name, Kind.File, "", "", "")


def _words_of(typed: Typed, alias: str) -> Iterator[Offer]:
    """The verbs and methods of a package."""
    package = loaded(typed.packages[alias].pin.name)
    for name, verb in package.verbs.items() if package else ():
        yield name, Kind.Function, f"{verb.grade} step", pages.verb_page(verb), f"{name} "
    for name, method in package.methods.items() if package else ():
        yield name, Kind.Method, f"{method.family} method", pages.method_page(method), name


_PLACEHOLDER = "fusec_looks_here"


def _columns(spec: Spec, offset: int, cursor: Cursor) -> Iterator[Offer]:
    """The columns of the rows at hand: what the checker says there is instead of one that cannot be."""
    text = spec.document.text
    trial = spec.try_text(text[: offset - len(cursor.prefix)] + _PLACEHOLDER + text[offset:])
    for problem in trial.problems:
        if isinstance(problem, ColumnMissing) and problem.column == _PLACEHOLDER:
            yield from ((name, Kind.Field, "a column", "", "") for name in problem.has)

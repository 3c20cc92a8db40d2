"""The outline of a spec: its left margin."""

from __future__ import annotations

from lsprotocol import types as lsp

from fusec.cli.lsp.convert import range_of
from fusec.cli.lsp.document import Document
from fusec.lang import tree

_KINDS = {
    "model": lsp.SymbolKind.Class,
    "delta": lsp.SymbolKind.Class,
    "data": lsp.SymbolKind.Array,
    "tokenizer": lsp.SymbolKind.Interface,
    "report": lsp.SymbolKind.Event,
    "param": lsp.SymbolKind.Variable,
    "let": lsp.SymbolKind.Constant,
    "target": lsp.SymbolKind.Object,
    "use": lsp.SymbolKind.Module,
    "extend": lsp.SymbolKind.Package,
    "check": lsp.SymbolKind.Boolean,
    "output": lsp.SymbolKind.File,
    "budget": lsp.SymbolKind.Number,
}


def outline(document: Document) -> list[lsp.DocumentSymbol]:
    """One symbol for each declaration but the edition, in the order of the text."""
    return [_symbol(d) for d in document.declarations if not isinstance(d, tree.Edition)]


def _symbol(declaration: tree.Declaration) -> lsp.DocumentSymbol:
    kind = kind_of(declaration)
    named = getattr(declaration, "name", None)
    family = getattr(declaration, "family", None)
    place = named.span if isinstance(named, tree.Name) else declaration.span
    match declaration:
        case tree.Check():
            name, place = " ".join(declaration.condition.span.text.split()), declaration.condition.span
        case tree.Output():
            name, place = declaration.path.span.text, declaration.path.span
        case _:
            name = named.id if isinstance(named, tree.Name) else kind
    if isinstance(family, tree.Family):
        name += f"[{family.variable.id}]"
    return lsp.DocumentSymbol(
        name=name,
        detail=kind,
        kind=_KINDS.get(kind, lsp.SymbolKind.Variable),
        range=range_of(declaration.span),
        selection_range=range_of(place),
    )


def kind_of(declaration: tree.Declaration) -> str:
    """The keyword of a declaration."""
    if isinstance(declaration, (tree.Bind, tree.Broken)):
        return declaration.kind
    return type(declaration).__name__.lower()

"""What an editor asks about a place or a text, answered from the checked specs."""

from __future__ import annotations

from typing import Protocol

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from fusec.cli.lsp import names
from fusec.cli.lsp.completion import complete
from fusec.cli.lsp.convert import offset_of, range_of, whole
from fusec.cli.lsp.folding import folding
from fusec.cli.lsp.hover import hover
from fusec.cli.lsp.layout import format_all, format_range
from fusec.cli.lsp.outline import outline
from fusec.cli.lsp.problems import FIX_ALL, actions
from fusec.cli.lsp.service import Server
from fusec.cli.lsp.spec import Spec
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span


class _Place(Protocol):
    """A question about a place in a text."""

    @property
    def text_document(self) -> lsp.TextDocumentIdentifier: ...

    @property
    def position(self) -> lsp.Position: ...


def _at(server: Server, params: _Place) -> tuple[Spec, int]:
    spec = server.specs.open[params.text_document.uri]
    return spec, offset_of(spec.document, params.position)


def _location(server: Server, span: Span) -> lsp.Location:
    return lsp.Location(server.specs.uri(span.source), range_of(span))


# --- fixes -------------------------------------------------------------------------


def code_action(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """Quick fixes at a place, and one action that applies every certain fix of the file."""
    uri, only = params.text_document.uri, params.context.only
    problems = _problems(server, uri)
    found = actions(problems, server.specs.uri, params.range)
    if any(fix.grade == "safe" and fix.edits for problem in problems for fix in problem.fixes()):
        fix_all = lsp.CodeAction("fix all that is certain", FIX_ALL, data=uri)
        found.append(fix_all if _resolves(server) else resolve_action(server, fix_all))
    wanted = tuple(only or ("",))
    return [action for action in found if any(_within(action.kind or "", kind) for kind in wanted)]


def resolve_action(server: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    """The edit of the action that fixes all, worked out when somebody chooses it."""
    uri = str(action.data)
    spec = server.specs.open[uri]
    text = spec.mended()
    if text != spec.document.text:
        action.edit = lsp.WorkspaceEdit(changes={uri: [lsp.TextEdit(whole(spec.document), text)]})
    return action


def _problems(server: Server, uri: str) -> list[Diagnostic]:
    """What any open spec says of a file, as it is now."""
    specs = server.specs
    return list(dict.fromkeys(p for spec in specs.open.values() for p in specs.problems(spec).get(uri, ())))


def _resolves(server: Server) -> bool:
    """Whether the editor asks for the edit of an action when it needs it."""
    ability = server.client_capabilities.text_document
    support = ability.code_action.resolve_support if ability and ability.code_action else None
    return support is not None and "edit" in support.properties


def _within(kind: str, wanted: str) -> bool:
    return wanted in ("", kind) or kind.startswith(wanted + ".")


# --- names ---------------------------------------------------------------------------


def hover_text(server: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    spec, offset = _at(server, params)
    found = hover(spec, server.specs, offset)
    if found is None:
        return None
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, found.text), range_of(found.span))


def definition(server: Server, params: lsp.DefinitionParams) -> list[lsp.Location]:
    return [_location(server, span) for span in names.declarations(server.specs, *_at(server, params))]


def references(server: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    spec, offset = _at(server, params)
    server.specs.forget_folders()
    found = names.symbols_at(spec, offset)
    symbols = found[1] if found is not None else []
    spans = [s for symbol in symbols for place in names.places(server.specs, symbol).values() for s in place]
    return [_location(server, span) for span in dict.fromkeys(spans)]


def prepare_rename(server: Server, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    found = names.symbols_at(*_at(server, params))
    return range_of(found[0].span) if found is not None and found[1] else None


def renamed(server: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
    """The edits in every file concerned; refuses what would change what a spec means."""
    server.specs.forget_folders()
    try:
        found = names.rename(server.specs, *_at(server, params), params.new_name)
    except names.Refused as refused:
        raise JsonRpcInvalidParams(str(refused)) from None
    changes = {
        server.specs.uri(identity): [lsp.TextEdit(range_of(span), params.new_name) for span in spans]
        for identity, spans in found.items()
    }
    return lsp.WorkspaceEdit(changes=changes) if changes else None


def completion(server: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
    return lsp.CompletionList(False, complete(*_at(server, params)))


# --- the whole text --------------------------------------------------------------------


def symbols(server: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    return outline(server.specs.open[params.text_document.uri].document)


def formatting(server: Server, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    return format_all(server.specs.open[params.text_document.uri].document)


def range_formatting(server: Server, params: lsp.DocumentRangeFormattingParams) -> list[lsp.TextEdit]:
    document = server.specs.open[params.text_document.uri].document
    return format_range(
        document, offset_of(document, params.range.start), offset_of(document, params.range.end)
    )


def folding_ranges(server: Server, params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
    return folding(server.specs.open[params.text_document.uri].document)


def coloured(server: Server, params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
    spec = server.specs.open[params.text_document.uri]
    return lsp.SemanticTokens(spec.colouring.tokens(spec.document))

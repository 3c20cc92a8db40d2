"""The language server: what it answers to, and the life of the files that it is told of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls import uris

from fusec.cli.lsp import answers
from fusec.cli.lsp.problems import FIX_ALL
from fusec.cli.lsp.service import Server, safe
from fusec.cli.lsp.tokens import LEGEND
from fusec.cli.lsp.workspace import identity_of


def make_server() -> Server:
    """A server that is not connected yet."""
    server = Server()

    def feature(name: str, handler: Callable[..., Any], options: Any = None) -> None:
        server.feature(name, options)(safe(handler))

    feature(lsp.INITIALIZED, initialized)
    feature(lsp.TEXT_DOCUMENT_DID_OPEN, did_open)
    feature(lsp.TEXT_DOCUMENT_DID_CHANGE, did_change)
    feature(lsp.TEXT_DOCUMENT_DID_SAVE, did_save)
    feature(lsp.TEXT_DOCUMENT_DID_CLOSE, did_close)
    feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, files_changed)
    feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, folders_changed)
    kinds = [lsp.CodeActionKind.QuickFix, FIX_ALL]
    feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        answers.code_action,
        lsp.CodeActionOptions(code_action_kinds=kinds, resolve_provider=True),
    )
    feature(lsp.CODE_ACTION_RESOLVE, answers.resolve_action)
    feature(lsp.TEXT_DOCUMENT_HOVER, answers.hover_text)
    feature(lsp.TEXT_DOCUMENT_DEFINITION, answers.definition)
    feature(lsp.TEXT_DOCUMENT_REFERENCES, answers.references)
    feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME, answers.prepare_rename)
    feature(lsp.TEXT_DOCUMENT_RENAME, answers.renamed, lsp.RenameOptions(prepare_provider=True))
    triggers = ["{", ".", '"', ">", "=", ":", " ", "(", "/"]
    feature(
        lsp.TEXT_DOCUMENT_COMPLETION,
        answers.completion,
        lsp.CompletionOptions(trigger_characters=triggers),
    )
    feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, answers.symbols)
    feature(lsp.TEXT_DOCUMENT_FORMATTING, answers.formatting)
    feature(lsp.TEXT_DOCUMENT_RANGE_FORMATTING, answers.range_formatting)
    feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE, answers.folding_ranges)
    feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, answers.coloured, LEGEND)
    return server


# --- the life of a file -----------------------------------------------------------


def initialized(server: Server, params: lsp.InitializedParams) -> None:
    """Learn the folders, and ask to be told when a spec in them changes."""
    folders_changed(server)
    ability = server.client_capabilities.workspace
    watching = ability.did_change_watched_files if ability else None
    if watching is not None and watching.dynamic_registration:
        options = lsp.DidChangeWatchedFilesRegistrationOptions([lsp.FileSystemWatcher("**/*.fuse")])
        wish = lsp.Registration("specs", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        server.client_register_capability(lsp.RegistrationParams([wish]))


def folders_changed(server: Server, params: lsp.DidChangeWorkspaceFoldersParams | None = None) -> None:
    named = [folder.uri for folder in server.workspace.folders.values()]
    if not named and server.workspace.root_uri:
        named = [server.workspace.root_uri]
    server.specs.folders = [Path(path) for uri in named if (path := uris.to_fs_path(uri))]
    server.specs.forget_folders()


def did_open(server: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    server.versions[item.uri] = item.version
    spec = server.specs.take(item.uri, item.text)
    server.tell(item.uri)
    _tell_users(server, spec.identity, item.uri)


def did_change(server: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    document, text = params.text_document, params.content_changes[-1].text
    server.versions[document.uri] = document.version
    spec = server.specs.take(document.uri, text)
    server.tell_soon(document.uri)
    _tell_users(server, spec.identity, document.uri)


def did_save(server: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    spec = server.specs.open[params.text_document.uri]
    spec.forget()
    server.tell_soon(params.text_document.uri)


def did_close(server: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    spec = server.specs.close(uri)
    server.close(uri)
    _tell_users(server, spec.identity, uri)


def files_changed(server: Server, params: lsp.DidChangeWatchedFilesParams) -> None:
    server.specs.forget_folders()
    for change in params.changes:
        _tell_users(server, identity_of(change.uri), change.uri)


def _tell_users(server: Server, identity: str, but: str) -> None:
    """Check the open specs again that use a file."""
    users = server.specs.changed(identity)
    server.tell_soon(*(uri for uri, spec in server.specs.open.items() if spec in users and uri != but))

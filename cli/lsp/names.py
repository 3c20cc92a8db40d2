"""Names across files: where one is declared, where it is used, and what renaming it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fusec.cli.lsp import index
from fusec.cli.lsp.document import Document
from fusec.cli.lsp.index import Occurrence, path_to
from fusec.cli.lsp.spec import Spec, trying
from fusec.cli.lsp.workspace import Workspace
from fusec.lang import tree
from fusec.lang.diagnostics import Diagnostic, Edit
from fusec.lang.lexer import DECLARATIONS, RESERVED
from fusec.lang.mending import apply
from fusec.lang.source import Span


class Refused(Exception):
    """Why a name cannot be changed, in one sentence."""


class Symbol(NamedTuple):
    """A name and the file that declares it; `owner` is where a variable is introduced."""

    identity: str
    name: str
    owner: Span | None


def symbols_at(spec: Spec, offset: int) -> tuple[Occurrence, list[Symbol]] | None:
    """The name that an offset touches and what it stands for: a family of files may declare it in each."""
    found = index.found_at(spec.document, offset)
    if found is None:
        return None
    if not found.alias:
        return found, [Symbol(spec.identity, found.name, found.owner)]
    return found, [Symbol(used, found.name, None) for used in spec.modules().get(found.alias, ())]


def declarations(workspace: Workspace, spec: Spec, offset: int) -> list[Span]:
    """Where what stands at an offset is declared; for the path of a `use`, its files."""
    found = symbols_at(spec, offset)
    if found is None:
        return [document.span(0, 0) for document in _files_at(workspace, spec, offset)]
    return [span for symbol in found[1] for span in _declared(workspace, symbol)]


def _declared(workspace: Workspace, symbol: Symbol) -> Iterator[Span]:
    document = workspace.document(symbol.identity)
    if symbol.owner is not None:
        yield symbol.owner
    elif document is not None:
        name = getattr(index.declared(document).get(symbol.name), "name", None)
        if isinstance(name, tree.Name):
            yield name.span


def _files_at(workspace: Workspace, spec: Spec, offset: int) -> Iterator[Document]:
    place = spec.document.span(offset, offset).start
    for declaration in spec.document.declarations_at(offset):
        if isinstance(declaration, tree.Use) and declaration.path in path_to(declaration, place):
            for identity in spec.modules()[declaration.name.id]:
                document = workspace.document(identity)
                if document is not None:
                    yield document


def places(workspace: Workspace, symbol: Symbol) -> dict[str, list[Span]]:
    """Every place that means a symbol, by the identity of the file it stands in."""
    document = workspace.document(symbol.identity)
    if document is None:
        return {}
    found = {
        symbol.identity: index.all_of(document, Occurrence(symbol.name, document.span(0, 0), symbol.owner))
    }
    if symbol.owner is None:
        for spec in workspace.users(symbol.identity):
            aliases = [alias for alias, used in spec.modules().items() if symbol.identity in used]
            for alias in aliases:
                wanted = Occurrence(symbol.name, document.span(0, 0), None, alias)
                found.setdefault(spec.identity, []).extend(index.all_of(spec.document, wanted))
    return {identity: spans for identity, spans in found.items() if spans}


def rename(workspace: Workspace, spec: Spec, offset: int, new: str) -> dict[str, list[Span]]:
    """The places to change in each file. Raises `Refused` where a spec would come to mean something else."""
    found = symbols_at(spec, offset)
    if found is None:
        return {}
    changed: dict[str, list[Span]] = {}
    for symbol in found[1]:
        for identity, spans in places(workspace, symbol).items():
            changed[identity] = list(dict.fromkeys([*changed.get(identity, []), *spans]))
        _may_be_called(workspace, symbol, new)
    for identity in changed:
        _can_be_read(workspace, identity)
    _means_the_same(workspace, changed, new)
    return changed


def _may_be_called(workspace: Workspace, symbol: Symbol, new: str) -> None:
    document = workspace.document(symbol.identity)
    if not (new.isascii() and new.isidentifier()) or new in RESERVED | DECLARATIONS:
        raise Refused(f"`{new}` cannot be a name")
    if document is not None and new in index.words(document):
        raise Refused(f"`{new}` already means something here")
    if not workspace.holds(symbol.identity):
        raise Refused(f"`{symbol.name}` is declared in {symbol.identity}, which is not in an open folder")


def _can_be_read(workspace: Workspace, identity: str) -> None:
    document = workspace.documents.document(identity)
    broken = next((d for d in document.declarations if isinstance(d, tree.Broken)), None)
    if broken is not None:
        where = f"line {broken.span.position.line} of {Path(identity).name}"
        raise Refused(f"the declaration on {where} cannot be read: mend it first")


def _means_the_same(workspace: Workspace, changed: Mapping[str, list[Span]], new: str) -> None:
    """Check every spec concerned under the new name.

    What is not seen here, such as a module that goes by a second name, shows as a mistake there.
    """
    users = [spec for identity in changed for spec in workspace.users(identity)]
    specs = {spec.identity: spec for spec in (*users, *workspace.open.values())}
    before = {identity: _mistakes(spec.typed.problems) for identity, spec in specs.items()}
    texts = {}
    for identity, spans in changed.items():
        text = workspace.documents.document(identity).text
        texts[identity] = apply(text, [Edit(_in_file(span), new) for span in spans])
    with trying(workspace.documents, texts):
        after = {identity: spec.try_check().problems for identity, spec in specs.items()}
    for identity, problems in after.items():
        more = _mistakes(problems) - before[identity]
        for problem in problems:
            if problem.code in more:
                raise Refused(f"then {Path(identity).name} would be wrong: {problem.title()}")


def _in_file(span: Span) -> Span:
    """A span of a piece, counted from the start of its file."""
    start = getattr(span.source, "start", 0)
    return span._replace(start=span.start + start, end=span.end + start)


def _mistakes(problems: tuple[Diagnostic, ...]) -> Counter[str]:
    return Counter(problem.code for problem in problems if problem.level == "error")

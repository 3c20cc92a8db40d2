"""What is wrong, as the protocol says it: diagnostics with both parties, and their fixes as edits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from lsprotocol import types as lsp

from fusec.cli.lsp.convert import range_of
from fusec.lang.diagnostics import Diagnostic, Fix
from fusec.lang.source import Source

UriOf: TypeAlias = "Callable[[Source], str]"
"""The address of the file that a source is the text of."""

FIX_ALL = "source.fixAll.fusec"

_SEVERITY = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "hint": lsp.DiagnosticSeverity.Hint,
}


def diagnostic(problem: Diagnostic, uri_of: UriOf) -> lsp.Diagnostic:
    """The primary mark is the place, the other marks are related information."""
    primary, *others = problem.marks()
    lines = [problem.title() + (f" ({primary.note})" if primary.note else "")]
    lines += [f"{label}: {text}" for label, text in problem.tables()]
    if why := problem.why():
        lines.append(f"why: {why}")
    lines += [f"fix: {fix.say}" for fix in problem.fixes()]
    related = [
        lsp.DiagnosticRelatedInformation(
            lsp.Location(uri_of(mark.span.source), range_of(mark.span)), mark.note or "see here"
        )
        for mark in others
    ]
    return lsp.Diagnostic(
        range=range_of(primary.span),
        message="\n".join(lines),
        severity=_SEVERITY[problem.level],
        code=problem.code,
        source="fusec",
        tags=[lsp.DiagnosticTag.Unnecessary] if problem.code == "FUSE108" else None,
        related_information=related or None,
    )


def once(found: Iterable[lsp.Diagnostic]) -> list[lsp.Diagnostic]:
    """Those that differ in code or place: a used file is checked by itself and by each of its users."""
    kept: dict[tuple[object, ...], lsp.Diagnostic] = {}
    for one in found:
        kept.setdefault((one.code, *_key(one.range.start), *_key(one.range.end)), one)
    return list(kept.values())


def actions(problems: Iterable[Diagnostic], uri_of: UriOf, at: lsp.Range) -> list[lsp.CodeAction]:
    """A quick fix for each fix with edits of the problems that touch `at`; certain ones are preferred."""
    found = []
    for problem in problems:
        said = diagnostic(problem, uri_of)
        if _touch(said.range, at):
            found += [_action(fix, said, uri_of) for fix in problem.fixes() if fix.edits]
    return found


def _action(fix: Fix, said: lsp.Diagnostic, uri_of: UriOf) -> lsp.CodeAction:
    changes: dict[str, list[lsp.TextEdit]] = {}
    for edit in fix.edits:
        changes.setdefault(uri_of(edit.span.source), []).append(lsp.TextEdit(range_of(edit.span), edit.text))
    return lsp.CodeAction(
        title=fix.say,
        kind=lsp.CodeActionKind.QuickFix,
        diagnostics=[said],
        is_preferred=fix.grade == "safe",
        edit=lsp.WorkspaceEdit(changes=changes),
    )


def _touch(a: lsp.Range, b: lsp.Range) -> bool:
    return _key(a.start) <= _key(b.end) and _key(b.start) <= _key(a.end)


def _key(place: lsp.Position) -> tuple[int, int]:
    return place.line, place.character

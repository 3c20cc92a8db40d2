"""What is wrong, as the protocol says it: diagnostics with both parties, and their fixes as edits."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types as lsp

from fusec.cli.lsp.convert import range_of
from fusec.lang.diagnostics import Diagnostic, Fix

_SEVERITY = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "hint": lsp.DiagnosticSeverity.Hint,
}


def diagnostic(problem: Diagnostic, uri: str) -> lsp.Diagnostic:
    """The primary mark is the place, the other marks are related information."""
    primary, *others = problem.marks()
    lines = [problem.title() + (f" ({primary.note})" if primary.note else "")]
    lines += [f"{label}: {text}" for label, text in problem.tables()]
    if why := problem.why():
        lines.append(f"why: {why}")
    lines += [f"fix: {fix.say}" for fix in problem.fixes()]
    related = [
        lsp.DiagnosticRelatedInformation(lsp.Location(uri, range_of(mark.span)), mark.note or "see here")
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


def actions(problems: Iterable[Diagnostic], uri: str, at: lsp.Range) -> list[lsp.CodeAction]:
    """A quick fix for each fix with edits of the problems that touch `at`; certain ones are preferred."""
    found = []
    for problem in problems:
        said = diagnostic(problem, uri)
        if _touch(said.range, at):
            found += [_action(fix, said, uri) for fix in problem.fixes() if fix.edits]
    return found


def _action(fix: Fix, said: lsp.Diagnostic, uri: str) -> lsp.CodeAction:
    edits = [lsp.TextEdit(range_of(edit.span), edit.text) for edit in fix.edits]
    return lsp.CodeAction(
        title=fix.say,
        kind=lsp.CodeActionKind.QuickFix,
        diagnostics=[said],
        is_preferred=fix.grade == "safe",
        edit=lsp.WorkspaceEdit(changes={uri: edits}),
    )


def _touch(a: lsp.Range, b: lsp.Range) -> bool:
    return _key(a.start) <= _key(b.end) and _key(b.start) <= _key(a.end)


def _key(place: lsp.Position) -> tuple[int, int]:
    return place.line, place.character

"""Text to tree. Never raises on what a user wrote: gives a tree and what is wrong with the text.

A file is cut into declarations first and each is parsed on its own, so a mistake costs at most the
declaration it stands in. That one becomes `Broken`, which keeps its kind and name for the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from fusec.lang import lalr, pieces
from fusec.lang.build import Builder
from fusec.lang.codes.fuse001_unclosed import Unclosed
from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.codes.fuse004_commas import CommaMissing
from fusec.lang.codes.fuse009_edition import EDITIONS, BadEdition
from fusec.lang.codes.fuse010_doc_comment import MisplacedDoc
from fusec.lang.diagnostics import Diagnostic, Fix
from fusec.lang.lexer import MAX_PROBLEMS, MAX_TOKENS, Comment, Token, words
from fusec.lang.mistakes import Scene, explain
from fusec.lang.source import Source, Span
from fusec.lang.tree import Broken, Declaration, Edition, Expr, File, Name, Node, TypeExpr

MAX_DEPTH = pieces.MAX_DEPTH
MAX_TEXT = 500_000
"""How many characters a spec may have; one of 5,000 lines has some 150,000."""

_STARTS_VALUE = frozenset(
    {"NAME", "STRING", "NUMBER", "QUANTITY", "COLUMN", "REF", "true", "false", "not", "if"}
)


class Parsed(NamedTuple):
    file: File
    problems: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """The declarations of a spec, in the order of the text, and its mistakes, in the same order."""
    file, problems = parse_part(source)
    if not file.declarations and problems:
        return Parsed(file, problems)
    return Parsed(file, _sorted([*problems, *edition_problems(source, file.declarations)]))


def parse_part(source: Source) -> Parsed:
    """As `parse`, for any run of whole declarations: without the rule that a file begins with its edition."""
    if len(source.text) > MAX_TEXT:
        return _refused(source, MAX_TEXT, f"a spec has at most {MAX_TEXT:_} characters")
    tokens, comments, problems = words(source)
    if len(tokens) > MAX_TOKENS:
        return _refused(source, tokens[-1].start, f"a spec has at most {MAX_TOKENS:_} words and marks")
    if len(problems) > MAX_PROBLEMS:
        return Parsed(File(source, ()), _sorted(problems))
    cut, misplaced = pieces.cut(source, tokens)
    problems += misplaced
    told = sorted(_at(problem) for problem in problems if _is_syntax(problem))
    docs = [comment for comment in comments if comment.doc and comment.own_line]
    declarations: list[Declaration] = []
    ends_before = 0
    for piece in cut:
        if len(problems) > MAX_PROBLEMS:
            break
        first, last = piece.tokens[0], piece.tokens[-1]
        doc = _doc(source, docs, ends_before, first.start)
        quiet = bisect_left(told, first.start) < bisect_left(told, last.end)
        if piece.stray:
            found = pieces.not_a_keyword(source, piece.tokens)
            problems += [] if quiet else [found]
            declarations += _broken(source, piece.tokens)
        else:
            made, found_here = _one(source, piece.tokens, "decl", refs=False, quiet=quiet)
            problems += found_here
            if made is None:
                declarations += _broken(source, piece.tokens)
            else:
                declarations.append(msgspec.structs.replace(made, doc=doc) if doc else made)
        ends_before = last.end
    problems += _misplaced_docs(source, comments, cut)
    return Parsed(File(source, tuple(declarations)), _sorted(problems))


def _refused(source: Source, at: int, limit: str) -> Parsed:
    """Nothing of a text beyond any use: reading it would take longer than anyone waits."""
    fix = Fix("split it, and let one file `use` the other")
    return Parsed(
        File(source, ()), (Unexpected(Span(source, at, at), "the spec is too long", limit, fix=fix),)
    )


def parse_expr(source: Source, *, refs: bool = False) -> tuple[Expr | None, tuple[Diagnostic, ...]]:
    """The whole source as one expression; with `refs` it may hold the `%name` of IR text."""
    return _range(source, 0, len(source.text), "expr", refs)


def parse_expr_between(source: Source, start: int, end: int) -> tuple[Expr | None, tuple[Diagnostic, ...]]:
    """A part of a source as one expression, with spans in the whole of it."""
    return _range(source, start, end, "expr", refs=False)


def parse_type(source: Source, *, refs: bool = False) -> tuple[TypeExpr | None, tuple[Diagnostic, ...]]:
    """The whole source as one type; with `refs` its arguments may be numbers, strings and `%name`."""
    return _range(source, 0, len(source.text), "type", refs)


def _range(source: Source, start: int, end: int, rule: str, refs: bool) -> tuple[Any, tuple[Diagnostic, ...]]:
    tokens, _, problems = words(source, start, end, refs=refs)
    if not tokens:
        if not problems:
            fix = Fix("write the value")
            problems = [Unexpected(Span(source, start, end), "there is nothing here", fix=fix)]
        return None, tuple(problems)
    quiet = any(map(_is_syntax, problems))
    made, found = _one(source, tokens, rule, refs=refs, quiet=quiet)
    return made, _sorted([*problems, *found])


def _one(
    source: Source, tokens: list[Token], rule: str, *, refs: bool, quiet: bool
) -> tuple[Any, list[Diagnostic]]:
    """The node that `tokens` make, or None; with `quiet` a mistake of the grammar is not told again."""

    def read_expr(start: int, end: int) -> tuple[Expr | None, tuple[Diagnostic, ...]]:
        return _range(source, start, end, "expr", refs)

    written = tokens
    tokens, unbalanced = pieces.balance(source, tokens)
    if unbalanced and tokens and not quiet and (first := _before(source, written, rule, unbalanced[0])):
        unbalanced = [first]
    problems = [] if quiet else unbalanced
    if not tokens:
        return None, problems
    quiet = quiet or bool(problems)
    builder = Builder(source, refs, read_expr)
    top = lalr.begin(rule, tokens[0].start)
    depth: list[str] = []
    for i, token in enumerate(tokens):
        leaf = builder.leaf(token)
        after = lalr.feed(top, token.kind, leaf, token.start, token.end, builder.reduce)
        if after is None and token.kind in _STARTS_VALUE and depth and depth[-1] in "([":
            end = tokens[i - 1].end
            comma = lalr.feed(top, ",", ",", end, end, builder.reduce)
            after = comma and lalr.feed(comma, token.kind, leaf, token.start, token.end, builder.reduce)
            if after is not None and not quiet:
                what = "arguments" if depth[-1] == "(" else "items"
                before = Span(source, tokens[i - 1].start, end)
                problems.append(CommaMissing(before, Span(source, token.start, token.end), what))
        if after is None:
            if not quiet:
                problems.append(explain(Scene(source, tokens, i, lalr.accepts(top, rule))))
            return None, problems
        top = after
        if token.kind in pieces.CLOSERS:
            depth.append(token.kind)
        elif token.kind in pieces.CLOSERS.values():
            depth.pop()
    done = lalr.finish(top, rule, builder.reduce)
    if done is None:
        if not quiet:
            problems.append(explain(Scene(source, tokens, len(tokens), lalr.accepts(top, rule))))
        return None, problems
    problems += builder.problems
    if len(tokens) > MAX_DEPTH and (deep := _too_deep(done.value)):
        says = f"this nests deeper than {MAX_DEPTH} levels"
        problems.append(Unexpected(deep, says, fix=Fix(pieces.FLATTEN)))
        return None, problems
    return done.value, problems


def _before(source: Source, tokens: list[Token], rule: str, shown: Diagnostic) -> Diagnostic | None:
    """The mistake of the grammar that comes before the place where a bracket is seen missing or too many.

    A bracket too many or too few may show many lines late. Where the grammar fails on a line that the
    message would not touch, the message is better given there.
    """
    if isinstance(shown, Unclosed):
        seen = shown.next.start if shown.next else tokens[-1].end
    else:
        seen = _at(shown)
    top = lalr.begin(rule, tokens[0].start)
    for i, token in enumerate(tokens):
        if token.start >= seen:
            return None
        after = lalr.feed(top, token.kind, None, token.start, token.end, lalr.nothing)
        if after is None:
            if token.kind in _STARTS_VALUE and (comma := lalr.feed(top, ",", None, 0, 0, lalr.nothing)):
                after = lalr.feed(comma, token.kind, None, token.start, token.end, lalr.nothing)
            if after is None:
                line = source.position(token.start).line
                if any(abs(mark.span.position.line - line) <= 1 for mark in shown.marks()):
                    return None
                return explain(Scene(source, tokens, i, lalr.accepts(top, rule)))
        top = after
    return None


def _too_deep(root: Node) -> Span | None:
    """The place where a tree passes `MAX_DEPTH`."""
    stack: list[tuple[Any, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, tuple):
            stack.extend((item, depth) for item in node if not isinstance(item, str | int))
        elif isinstance(node, Node):
            if depth > MAX_DEPTH:
                return node.span
            fields = (getattr(node, name) for name in node.__struct_fields__ if name != "span")
            stack.extend((value, depth + 1) for value in fields)
    return None


def _broken(source: Source, tokens: list[Token]) -> list[Declaration]:
    """What is left of a declaration that did not parse; nothing when even its kind is unknown."""
    first, last = tokens[0], tokens[-1]
    keyword = source.text[first.start : first.end]
    kind = keyword if first.kind != "NAME" else pieces.meant(keyword)
    if kind is None:
        return []
    named: Token | None = None
    if kind in ("use", "extend"):
        named = next((b for a, b in pairwise(tokens) if a.kind == "as"), None)
    elif kind not in ("edition", "budget", "check", "output") and len(tokens) > 1:
        named = tokens[1]
    name = None
    if named and named.kind == "NAME":
        span = Span(source, named.start, named.end)
        name = Name(span=span, id=span.text)
    return [Broken(span=Span(source, first.start, last.end), kind=kind, name=name)]


def _doc(source: Source, docs: list[Comment], start: int, end: int) -> str:
    first, last = (bisect_left(docs, at, key=lambda comment: comment.start) for at in (start, end))
    lines = [source.text[doc.start + 2 : doc.end].removeprefix(" ").rstrip() for doc in docs[first:last]]
    return "\n".join(lines)


def _misplaced_docs(source: Source, comments: list[Comment], cut: list[pieces.Piece]) -> list[Diagnostic]:
    """Doc comments behind something, inside a declaration, or with no declaration after them."""
    ends = [piece.tokens[-1].end for piece in cut]

    def misplaced(comment: Comment) -> bool:
        next_end = bisect_left(ends, comment.start)
        return not comment.own_line or next_end == len(cut) or cut[next_end].tokens[0].start < comment.start

    return [MisplacedDoc(Span(source, c.start, c.end)) for c in comments if c.doc and misplaced(c)]


def edition_problems(source: Source, declarations: Sequence[Declaration]) -> list[Diagnostic]:
    """What is wrong with the edition of a file that holds these declarations."""
    editions = [d for d in declarations if isinstance(d, Edition)]
    if any(isinstance(d, Broken) and d.kind == "edition" for d in declarations):
        return []
    if not editions:
        first = declarations[0].span if declarations else Span(source, 0, 0)
        word = first.text.split(maxsplit=1)[0] if first.text else ""
        return [BadEdition(Span(first.source, first.start, first.start + len(word)), "missing")]
    problems: list[Diagnostic] = []
    if declarations[0] is not editions[0]:
        problems.append(BadEdition(editions[0].span, "late"))
    problems += [BadEdition(again.span, "twice") for again in editions[1:]]
    if editions[0].year.value not in EDITIONS:
        problems.append(BadEdition(editions[0].year.span, "unknown"))
    return problems


def _is_syntax(problem: Diagnostic) -> bool:
    return isinstance(problem, Unclosed | Unexpected)


def _at(problem: Diagnostic) -> int:
    return problem.marks()[0].span.start


def _sorted(problems: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """In the order of the text, each said once; the last of too many says that there are more."""
    once = sorted(dict.fromkeys(problems[: 20 * MAX_PROBLEMS]), key=lambda p: (_at(p), p.code))
    if len(once) > MAX_PROBLEMS:
        at = once[MAX_PROBLEMS].marks()[0].span
        says = f"more than {MAX_PROBLEMS} mistakes: the rest is not told"
        return (*once[:MAX_PROBLEMS], Unexpected(at, says, fix=Fix("mend those above first")))
    return tuple(once)

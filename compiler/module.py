"""bind: what a file declares, with every mistake about declared names reported.

A `Module` is a spec whose names are filed and whose values are not computed yet: parameters have their
settings, families are still families. `check.py` evaluates it on demand.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fusec.compiler.rowexpr import FUNCTIONS
from fusec.compiler.step import family_names, methods_of
from fusec.lang import tree
from fusec.lang.codes.fuse102_declared_twice import DeclaredTwice
from fusec.lang.codes.fuse106_import_not_found import ImportNotFound
from fusec.lang.codes.fuse109_hides_standard import HidesStandard
from fusec.lang.codes.fuse111_not_a_parameter import NotAParameter
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import Parsed, parse_expr
from fusec.lang.source import Source

Named = tree.Param | tree.Let | tree.Bind | tree.Target | tree.Broken


class Setting(msgspec.Struct, frozen=True):
    """One `--set name=value`: the text, and the expression it parses to (None when it is not one)."""

    source: Source
    text: str
    expr: tree.Expr | None


class Module(msgspec.Struct, frozen=True):
    source: Source
    named: Mapping[str, Named]
    settings: Mapping[str, Setting]
    outputs: tuple[tree.Output, ...]
    checks: tuple[tree.Check, ...]
    budgets: tuple[tree.Budget, ...]
    problems: tuple[Diagnostic, ...]


def bind(parsed: Parsed, settings: Mapping[str, str]) -> Module:
    """File the declarations of a spec; `settings` are raw texts by parameter name."""
    file, problems = parsed.file, list(parsed.problems)
    named: dict[str, Named] = {}
    for declaration in file.declarations:
        if isinstance(declaration, (tree.Use, tree.Extend)):
            problems.append(_not_yet(declaration))
        if isinstance(declaration, (tree.Use, tree.Extend)) or (
            isinstance(declaration, tree.Broken) and declaration.name is not None
        ):
            # Others may refer to it; they stay quiet about what it is.
            assert declaration.name is not None
            broken = tree.Broken(span=declaration.span, kind="use", name=declaration.name)
            named.setdefault(declaration.name.id, broken)
        if not isinstance(declaration, (tree.Param, tree.Let, tree.Bind, tree.Target)):
            continue
        name = declaration.name
        first = named.get(name.id)
        if first is not None and first.name is not None:
            problems.append(DeclaredTwice(name=name.id, at=name.span, first=first.name.span))
            continue
        standard = standard_meaning(name.id)
        if standard:
            problems.append(HidesStandard(name=name.id, at=name.span, what=standard))
        named[name.id] = declaration
    return Module(
        source=file.source,
        named=named,
        settings=_settings(named, settings, problems),
        outputs=tuple(d for d in file.declarations if isinstance(d, tree.Output)),
        checks=tuple(d for d in file.declarations if isinstance(d, tree.Check)),
        budgets=tuple(d for d in file.declarations if isinstance(d, tree.Budget)),
        problems=tuple(problems),
    )


def standard_meaning(name: str) -> str:
    """What a name means where nobody declared it: "a merge method", "a function", or nothing."""
    for family in family_names():
        if name in methods_of(family):
            return "an architecture" if family == "arch" else f"a {family} method"
    return "a function" if name in FUNCTIONS else ""


def _settings(
    named: Mapping[str, Named], settings: Mapping[str, str], problems: list[Diagnostic]
) -> dict[str, Setting]:
    known = tuple(name for name, decl in named.items() if isinstance(decl, tree.Param))
    out: dict[str, Setting] = {}
    for name, text in settings.items():
        source = Source("--set", f"{name}={text}")
        if name not in known:
            problems.append(NotAParameter(name=name, at=source.span(0, len(name)), known=known))
            continue
        # Padding keeps the spans of the value right inside `name=value`.
        expr, failed = parse_expr(Source("--set", " " * (len(name) + 1) + text))
        out[name] = Setting(source, text, None if failed else expr)
    return out


def _not_yet(declaration: tree.Use | tree.Extend) -> ImportNotFound:
    text = declaration.path if isinstance(declaration, tree.Use) else declaration.package
    return ImportNotFound(
        path=text.literal or text.span.text,
        at=text.span,
        reason="this version of fusec reads specs of one file",
    )

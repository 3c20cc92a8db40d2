"""bind: what a file declares, with every mistake about declared names reported.

A `Module` is a spec whose names are filed and whose values are not computed yet: parameters have their
settings, families are still families. `check.py` evaluates it on demand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from fusec.compiler.rowexpr import FUNCTIONS
from fusec.compiler.settings import Placed, Setting, on_command_line, read_setting
from fusec.compiler.step import family_names, methods_of
from fusec.lang import tree
from fusec.lang.codes.fuse102_declared_twice import DeclaredTwice
from fusec.lang.codes.fuse109_hides_standard import HidesStandard
from fusec.lang.codes.fuse111_not_a_parameter import NotAParameter
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import Parsed
from fusec.lang.source import Source

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

Named = tree.Use | tree.Extend | tree.Param | tree.Let | tree.Bind | tree.Target | tree.Broken


@dataclass(frozen=True, eq=False)
class Argument:
    """One `name: value` of a `use`, evaluated where it is written; `checker` is that of the using file."""

    name: tree.Name
    expr: tree.Expr
    value: Any
    checker: Checker


class Module(msgspec.Struct, frozen=True):
    source: Source
    named: Mapping[str, Named]
    settings: Mapping[str, Setting]
    outputs: tuple[tree.Output, ...]
    checks: tuple[tree.Check, ...]
    budgets: tuple[tree.Budget, ...]
    problems: tuple[Diagnostic, ...]
    ahead: frozenset[str] = frozenset()
    """Plain `let`s to evaluate before those that use them, so that no chain of them is deep."""


def bind(parsed: Parsed, settings: Mapping[str, str]) -> Module:
    """File the declarations of a spec; `settings` are raw texts by parameter name."""
    file, problems = parsed.file, list(parsed.problems)
    named: dict[str, Named] = {}
    for declaration in file.declarations:
        if isinstance(declaration, tree.Broken) and declaration.name is not None:
            # Others may refer to it; they stay quiet about what it is.
            named.setdefault(declaration.name.id, declaration)
        if not isinstance(declaration, (tree.Use, tree.Extend, tree.Param, tree.Let, tree.Bind, tree.Target)):
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
        from_file = isinstance(text, Placed)
        placed = text if isinstance(text, Placed) else on_command_line(name, text)
        if name not in known:
            problems.append(NotAParameter(name=name, at=placed.name_at, known=known))
            continue
        out[name] = read_setting(placed, from_file=from_file)
    return out

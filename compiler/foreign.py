"""Verbs and methods of packages where a spec uses them: found by `alias.word`, called with care.

What goes wrong in a package's own code is reported as its mistake, at the place that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, get_args

from fusec.compiler.cost import Cost
from fusec.compiler.packages import Extension, loaded
from fusec.compiler.scope import Scope
from fusec.compiler.step import Declared, Method, Site, Step, find_verb, methods_of, verb_names
from fusec.compiler.values import UNKNOWN, Broken
from fusec.lang import tree
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse115_broken_extension import BrokenExtension
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span
from fusec.lang.types import Type, Unknown

if TYPE_CHECKING:
    from fusec.compiler.check import Checker


def extension_of(c: Checker, head: tree.Expr, scope: Scope) -> Extension | Broken | None:
    """The package that `alias` of `alias.word` stands for; None where it stands for anything else."""
    if not isinstance(head, tree.Field) or not isinstance(head.value, tree.Name):
        return None
    alias = head.value
    declaration = None if alias.id in scope.names else c.module.named.get(alias.id)
    if isinstance(declaration, tree.Broken):
        return UNKNOWN
    if not isinstance(declaration, tree.Extend):
        return None
    found: Extension | Broken = c.lookup(alias, scope)
    return found


def verb_at(c: Checker, verb: tree.Name | tree.Field, scope: Scope) -> type[Step] | None:
    """The verb that stands before a block, None after a report."""
    extension = extension_of(c, verb, scope)
    if isinstance(extension, Broken):
        return None
    if isinstance(verb, tree.Name):
        cls, known = find_verb(verb.id), verb_names()
    elif extension is not None:
        cls = extension.verbs.get(verb.name.id)
        known = tuple(f"{verb.value.span.text}.{name}" for name in extension.verbs)
    else:
        cls, known = None, verb_names()
    if cls is None:
        c.report(UnknownVerb(name=verb.span.text, at=verb.span, known=known, what="verb"))
    return cls


def method_at(c: Checker, head: tree.Field, extension: Extension, family: str = "") -> type[Method] | None:
    """The method that `alias.word` names in a package, of `family` if given; None after a report."""
    named = {n: cls for n, cls in extension.methods.items() if family in ("", cls.family)}
    if head.name.id not in named:
        own = methods_of(family) if family else ()
        known = (*own, *(f"{head.value.span.text}.{name}" for name in named))
        c.report(UnknownVerb(name=head.span.text, at=head.span, known=known, what="method"))
    return named.get(head.name.id)


@contextmanager
def blamed(cls: type[Declared], at: Span, report: Callable[[Diagnostic], None]) -> Iterator[None]:
    """Report what the code of a package raises; everything else passes."""
    from fusec.compiler.check import GivenUp

    try:
        yield
    except (GivenUp, RecursionError):
        raise
    except Exception as error:
        if cls.package is None:
            raise
        from fusec.compiler.extensions import blame

        extension = loaded(cls.package.name)
        assert extension is not None
        what = f"`{cls.__module__}.{cls.__qualname__}` raises {blame(error, extension.modules)}"
        report(BrokenExtension(package=cls.package.name, at=at, what=what))


def result_type(made: Step, site: Site, verb_at: Span) -> Type:
    """The type that a step gives, after its type rule has reported what does not fit.

    A step of a package also has its cost and its order tried, so that neither can fail while planning.
    """
    if made.package is None:
        return made.gives(site)
    with blamed(type(made), verb_at, site.report):
        given = made.gives(site)
        if type(given) not in get_args(Type):
            raise TypeError(f"gives a {type(given).__name__}, not a type of `fusec.lang.types`")
        if isinstance(given, Unknown):
            return given
        if not isinstance(made.cost(given), Cost):
            raise TypeError("has a `cost` that is no `Cost`")
        if not isinstance(made.order(_Names()), type(made)):
            raise TypeError("has an `order` that gives another step")
        return given
    return Unknown()


class _Names(dict[str, str]):
    """Identities while there are none yet: every node is its name."""

    def __missing__(self, name: str) -> str:
        return name

"""`use`: a file as a function of its parameters, whose results are its declarations.

Every `use` evaluates the whole file once more, under its own arguments and its own names. Steps, sources and
problems are shared with the file that is run, so a plan knows no files. Outputs, checks, budgets and targets
count in that one file only.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from fusec.compiler.check import Checker, GivenUp
from fusec.compiler.evaluate import evaluate, keys_of
from fusec.compiler.files import File, resolve
from fusec.compiler.module import Argument, Module, bind
from fusec.compiler.order import waits_for_use
from fusec.compiler.scope import Scope
from fusec.compiler.step import Step
from fusec.compiler.values import UNKNOWN, Broken, Modules, Used, describe
from fusec.lang import tree
from fusec.lang.codes.fuse101_unknown_name import UnknownName
from fusec.lang.codes.fuse102_declared_twice import DeclaredTwice
from fusec.lang.codes.fuse106_import_not_found import ImportNotFound
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse111_not_a_parameter import NotAParameter
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span
from fusec.lang.types import Type

MAX_DEPTH = 32
"""How deep files may use each other."""

MAX_INSTANCES = 1_000
"""How often a spec may use files in all: two uses in each file of a long chain grow beyond any use."""


class Instance(Checker):
    """A used file under its arguments: names of its own, and all else with the checker that uses it."""

    def __init__(self, parent: Checker, module: Module, at: Span, address: str, folder: str) -> None:
        super().__init__(module, parent.facts_of, parent.packages_of, parent.files)
        self.root, self.used_at = parent.root, at
        self.prefix, self.folder = f"{address}.", folder
        self.steps, self.sources, self.facts = parent.steps, parent.sources, parent.facts
        self.licences, self.tokenizers, self.spaces = parent.licences, parent.tokenizers, parent.spaces
        self.packages, self.used_files, self.instances = parent.packages, parent.used_files, parent.instances

    def evaluate_all(self) -> None:
        for problem in self.module.problems:
            self.report(problem)
        for name, decl in self.module.named.items():
            on_demand = isinstance(decl, (tree.Let, tree.Target, tree.Broken))
            if not on_demand or name in self.module.ahead:
                self.value_of(name, decl)
        self._evaluate_plain_lets()
        self.packages |= self.extensions()

    def _evaluate_plain_lets(self) -> None:
        """A plain `let` that nothing of the file uses has its turn last, as in a file that is run.

        One that means something only where it is wanted is left to those who use the file.
        """
        here = self.module.source.name
        words = (p for p in self.root.problems if isinstance(p, (UnknownName, UnknownVerb)))
        if any(problem.marks()[0].span.source.name == here for problem in words):
            return
        for name, decl in self.module.named.items():
            if not isinstance(decl, tree.Let) or name in self._used:
                continue
            if not waits_for_use(decl.value, self.module.named):
                self.value_of(name, decl)

    def report(self, problem: Diagnostic) -> None:
        """Say it once for the file, not once for each of its uses."""
        if self.instances.first(problem):
            self.root.report(problem)

    def unit_wanted(self, at: Span, slot: str, dimension: str) -> None:
        self.root.unit_wanted(at, slot, dimension)

    def work(self, at: Span, values: int = 1) -> None:
        self.root.work(at, values)

    def add(
        self, name: str, step: Step, type_: Type, at: Span, written: Mapping[str, Span] | None = None
    ) -> Any:
        return self.root.add(name, step, type_, at, written)


def use(c: Checker, decl: tree.Use) -> Any:
    """The module that a `use` names, or one per key; UNKNOWN after a report."""
    name = decl.name.id
    if decl.family is None:
        _count(c, decl)
        return _use(c, decl, Scope(), name)
    keys = keys_of(c, decl.family, Scope())
    if keys is None:
        return UNKNOWN
    _count(c, decl, len(keys))
    variable = decl.family.variable.id
    made = Modules((key, _use(c, decl, Scope({variable: key}), f"{name}[{key}]")) for key in keys)
    return UNKNOWN if any(isinstance(one, Broken) for one in made.values()) else made


def _count(c: Checker, decl: tree.Use, more: int = 1) -> None:
    """Count before anything is read, so that an explosion costs no more than what is allowed."""
    c.instances.count += more
    if c.instances.count > MAX_INSTANCES:
        got = f"made of more than {MAX_INSTANCES:_} used files"
        allowed = f"{MAX_INSTANCES:_} uses in one spec"
        raise GivenUp(OutOfRange(at=decl.path.span, what="a spec", got=got, allowed=allowed))


def member(c: Checker, used: Used, name: tree.Name) -> Any:
    """What a module declares under a name; UNKNOWN after a report."""
    module: Checker = used.checker
    found = module.module.named.get(name.id)
    if found is not None:
        return module.value_of(name.id, found)
    if not any(problem.level == "error" for problem in module.module.problems):
        known = tuple((n, module.declared(n)) for n in module.module.named)
        c.report(UnknownName(name=name.id, at=name.span, known=known, owner=used.name))
    return UNKNOWN


def plain_let(c: Checker, expr: tree.Field, scope: Scope) -> tuple[Checker, tree.Let] | None:
    """The plain `let` of a module that `law.order` stands for, and the file whose names it is made of."""
    head: tree.Expr = expr
    while isinstance(head, tree.Field):
        head = head.value
    if not isinstance(head, tree.Name) or head.id in scope.names:
        return None
    if not isinstance(c.module.named.get(head.id), tree.Use):
        return None
    used = c.evaluate(expr.value, scope)
    owner: Checker | None = used.checker if isinstance(used, Used) else None
    let = None if owner is None else owner.plain_let(expr.name, Scope())
    return None if owner is None or let is None else (owner, let)


def _use(c: Checker, decl: tree.Use, scope: Scope, name: str) -> Any:
    path = evaluate(c, decl.path, scope)
    arguments = _arguments(c, decl, scope)
    if isinstance(path, Broken):
        return UNKNOWN
    where = resolve(c.folder, path)
    found = c.files.read(where)
    reason = found if isinstance(found, str) else _refused(c, found)
    if reason:
        c.report(ImportNotFound(path=path, at=decl.path.span, reason=reason))
        return UNKNOWN
    assert isinstance(found, File)
    c.used_files[where] = found
    module = c.root.arranged(bind(found.parsed, {}))
    params = tuple(n for n, d in module.named.items() if isinstance(d, tree.Param))
    for given, argument in arguments.items():
        if given not in params:
            at = argument.name.span
            c.report(NotAParameter(name=given, at=at, known=params, owner=path))
    instance = c.root.instance_class or Instance
    inner = instance(c, module, decl.path.span, c.address(name), posixpath.dirname(where))
    inner.arguments = arguments
    inner.chain = (*c.chain, found.identity)
    inner.evaluate_all()
    return Used(name, inner)


def _refused(c: Checker, found: File) -> str:
    if found.identity in c.chain:
        return "imports itself" if found.identity == c.chain[-1] else "imports this file again"
    if len(c.chain) >= MAX_DEPTH:
        return f"files use each other more than {MAX_DEPTH} deep"
    return ""


def _arguments(c: Checker, decl: tree.Use, scope: Scope) -> dict[str, Argument]:
    out: dict[str, Argument] = {}
    for arg in decl.args:
        value = evaluate(c, arg.value, scope)
        if arg.name is None:
            c.wrong(arg.value.span, f"{describe(value)} without a name", "`name: value`", "`use`")
        elif arg.name.id in out:
            first = out[arg.name.id].name.span
            c.report(DeclaredTwice(name=arg.name.id, at=arg.name.span, first=first))
        else:
            out[arg.name.id] = Argument(arg.name, arg.value, value, c)
    return out

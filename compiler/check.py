"""check: every declaration evaluated once, every step typed, nothing run.

The checker pulls: a name is evaluated when somebody needs it, so declarations may stand in any order and
a cycle is a name met again on the way. It knows sources only through `Facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from fusec.compiler import blocks, declared, evaluate, gates
from fusec.compiler.afterthoughts import afterthoughts
from fusec.compiler.facts import SourceFacts, SourceRequest, TokenizerFacts, compare_tokenizers
from fusec.compiler.files import File, Files, NoFiles
from fusec.compiler.ir import Ref
from fusec.compiler.module import Argument, Module, bind
from fusec.compiler.packages import Extension, PackagesOf, no_packages
from fusec.compiler.rowexpr import RowProblem, column_type
from fusec.compiler.rows import Columns
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input
from fusec.compiler.step import Method, Step, find_method
from fusec.compiler.typed import FactsOf, Typed, TypedPackage, TypedStep, TypedTarget
from fusec.compiler.values import UNKNOWN, Broken, written
from fusec.lang import tree
from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.codes.fuse006_unknown_unit import UnknownUnit
from fusec.lang.codes.fuse101_unknown_name import UnknownName
from fusec.lang.codes.fuse105_cycle import Cycle
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse207_kind_differs import KindDiffers
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.diagnostics import Diagnostic, Fix, closest
from fusec.lang.lexer import MAX_PROBLEMS
from fusec.lang.parse import Parsed
from fusec.lang.source import Span
from fusec.lang.types import TokenizerType, Type, Unknown

if TYPE_CHECKING:
    from fusec.compiler.modules import Instance

MAX_WORK = 250_000
"""How many values a spec may compute: comprehensions in comprehensions grow beyond any use."""


STEP_WORK = 16
"""How many plain values a step is worth: typing it takes about that much longer."""


class GivenUp(Exception):
    """A spec asks for more than anyone waits for; `problem` says what."""

    def __init__(self, problem: Diagnostic) -> None:
        self.problem = problem


def check(
    parsed: Parsed,
    facts: FactsOf,
    settings: Mapping[str, str] | None = None,
    packages: PackagesOf = no_packages,
    files: Files | None = None,
) -> Typed:
    """Type a parsed spec; its problems follow those of the parser. `settings` are `--set` texts.

    `packages` loads what `extend` names, `files` reads what `use` names.
    """
    checker = Checker(bind(parsed, settings or {}), facts, packages, files)
    try:
        return checker.run()
    except GivenUp as given_up:
        return checker.give_up(given_up.problem)
    except RecursionError:
        # Declarations in an order that makes evaluation deep: what others need goes first.
        from fusec.compiler.order import needed_first

        checker = Checker(needed_first(checker.module), facts, packages, files)
        checker.arranged = needed_first
    try:
        return checker.run()
    except GivenUp as given_up:
        return checker.give_up(given_up.problem)
    except RecursionError:
        return checker.give_up(checker.too_long_a_chain())


@dataclass
class Uses:
    """What all instances of used files share: their number, and the messages they have given."""

    count: int = 0
    said: set[tuple[str, Span]] = field(default_factory=set)

    def first(self, problem: Diagnostic) -> bool:
        """Whether no instance has said this of this place; from now on one has."""
        place = problem.code, problem.marks()[0].span
        known = place in self.said
        self.said.add(place)
        return not known


class Checker:
    """The state of one check: what has been evaluated, what is being evaluated, what was said."""

    instance_class: ClassVar[type[Instance] | None] = None
    """What evaluates the files that are used, where that is another class than `modules.Instance`."""

    def __init__(
        self,
        module: Module,
        facts: FactsOf,
        packages: PackagesOf = no_packages,
        files: Files | None = None,
    ) -> None:
        self.module, self.facts_of, self.packages_of = module, facts, packages
        self.files: Files = files or NoFiles()
        self.used_files: dict[str, File] = {}
        self.packages: dict[str, TypedPackage] = {}
        self.instances = Uses()
        self.chain: tuple[str, ...] = (self.files.main,)
        self.prefix = self.folder = ""
        self.arguments: Mapping[str, Argument] = {}
        self.used_at: Span | None = None
        self.root: Checker = self
        self.arranged: Callable[[Module], Module] = _as_written
        self.steps: dict[str, TypedStep] = {}
        self.sources: dict[str, SourceRequest] = {}
        self.facts: dict[str, SourceFacts] = {}
        self.licences: dict[str, str] = {}
        self.tokenizers: dict[str, TokenizerFacts] = {}
        self.spaces: dict[str, Mapping[str, tuple[int, ...]]] = {}
        self._values: dict[str, Any] = {}
        self.rows_of: Any = None  # the data whose rows the step at hand reads
        self._pending: list[tuple[str, Span]] = []
        self._used: set[str] = set()
        self._in_cycles: set[str] = set()
        self._taken: dict[tuple[str, str], int] = {}
        self._problems: dict[Diagnostic, None] = dict.fromkeys(module.problems)
        self._work = self._errors = 0

    def run(self) -> Typed:
        for name, decl in self.module.named.items():
            on_demand = isinstance(decl, (tree.Let, tree.Broken))
            if not on_demand or name in self.module.ahead:
                self.value_of(name, decl)
        goals = gates.goals(self)
        limits = gates.limits(self)
        # A plain `let` means something where it is used (`let order = cosine`), so it has its turn last, and
        # none where a word is unknown: that may be its name, misspelt.
        if not any(isinstance(problem, (UnknownName, UnknownVerb)) for problem in self._problems):
            for name, decl in self.module.named.items():
                if isinstance(decl, tree.Let) and name not in self._used:
                    self.value_of(name, decl)
        targets = {
            name: TypedTarget(name, self._values[name], decl.value)
            for name, decl in self.module.named.items()
            if isinstance(decl, tree.Target) and isinstance(self._values.get(name), Method)
        }
        params = {
            name: written(value)
            for name, value in self._values.items()
            if isinstance(self.module.named[name], tree.Param) and not isinstance(value, Broken)
        }
        self.packages |= self.extensions()
        for problem in afterthoughts(self, goals, limits, targets):
            self.report(problem)
        return Typed(
            steps=self.steps,
            goals=goals,
            limits=limits,
            targets=targets,
            params=params,
            sources=self.sources,
            facts=self.facts,
            problems=self.problems,
            packages=self.packages,
            files={path: file.parsed.file.source for path, file in self.used_files.items()},
            licences=self.licences,
            values=self._values,
        )

    def extensions(self) -> dict[str, TypedPackage]:
        """The packages that this file extends, by address."""
        return {
            self.address(name): TypedPackage(value.pin, self.module.named[name].span)
            for name, value in self._values.items()
            if isinstance(value, Extension)
        }

    def address(self, name: str) -> str:
        """What a declaration of this file is called in the plan: `law.train` in one that is used as `law`."""
        return f"{self.prefix}{name}"

    def too_long_a_chain(self) -> Diagnostic:
        _, at = self._pending[0]
        says = "this is made in too many steps, each declared after the one that uses it"
        return Unexpected(at, says, fix=Fix("declare the first steps first"))

    def give_up(self, problem: Diagnostic) -> Typed:
        """What is left to say about a spec too large to follow."""
        self._problems.setdefault(problem)
        return Typed({}, (), (), {}, {}, {}, {}, tuple(self._problems))

    # --- speaking -------------------------------------------------------------

    @property
    def problems(self) -> tuple[Diagnostic, ...]:
        return tuple(self._problems)

    @property
    def failed(self) -> bool:
        return any(problem.level == "error" for problem in self._problems)

    def is_used(self, name: str) -> bool:
        return name in self._used

    def report(self, problem: Diagnostic) -> None:
        """Say it once, however often it is found."""
        self._problems.setdefault(problem)
        self._errors += problem.level == "error"
        if self._errors > MAX_PROBLEMS:
            says = f"more than {MAX_PROBLEMS} mistakes: the rest is not told"
            raise GivenUp(Unexpected(problem.marks()[0].span, says, fix=Fix("mend those above first")))

    def unit_wanted(self, at: Span, slot: str, dimension: str) -> None:
        """Let the message about an unknown unit inside `at` say what belongs there."""

        def told(problem: Diagnostic) -> Diagnostic:
            if not isinstance(problem, UnknownUnit) or problem.unit.source is not at.source:
                return problem
            inside = at.start <= problem.unit.start < at.end
            return replace(problem, slot=slot, wanted=dimension) if inside else problem

        self._problems = dict.fromkeys(map(told, self._problems))

    def work(self, at: Span, values: int = 1) -> None:
        """Count more values computed, for the expression `at`."""
        self._work += values
        if self._work > MAX_WORK:
            got, allowed = f"made of more than {MAX_WORK:_} values", f"{MAX_WORK:_} values in one spec"
            raise GivenUp(OutOfRange(at=at, what="a spec", got=got, allowed=allowed))

    def wrong(self, at: Span, got: str, wants: str, by: str, expr: tree.Expr | None = None) -> Broken:
        """Report a value of another kind than wanted."""
        where = self.declared(expr.id) if isinstance(expr, tree.Name) else None
        self.report(KindDiffers(at=at, got=got, wants=wants, by=by, declared=where))
        return UNKNOWN

    def declared(self, name: str) -> Span | None:
        decl = self.module.named.get(name)
        return decl.name.span if decl is not None and decl.name is not None else None

    # --- names ------------------------------------------------------------------

    def is_declared(self, name: str, scope: Scope) -> bool:
        return name in scope.names or name in self.module.named

    def lookup(self, name: tree.Name, scope: Scope) -> Any:
        """The value of a name: variables of the scope, then declarations of the file."""
        if name.id in scope.names:
            return scope.names[name.id]
        decl = self.module.named.get(name.id)
        if decl is None:
            method = find_method(name.id)
            if method is not None:
                return self.method(method, (), name.span, scope)
            known = {n: self.declared(n) for n in self.module.named}
            known |= dict.fromkeys(scope.names)
            if len(known) > MAX_PROBLEMS:  # messages are hashed, so they carry no whole large spec
                near = closest(name.id, known)
                known = {near: known[near]} if near else {}
            self.report(UnknownName(name=name.id, at=name.span, known=tuple(known.items())))
            return UNKNOWN
        self._used.add(name.id)
        return self.value_of(name.id, decl)

    def plain_let(self, expr: tree.Expr, scope: Scope) -> tree.Let | None:
        """The `let` that a name stands for, when its expression may mean more where something is wanted.

        Work is done once whoever wants it, and a type that is written already says what is wanted.
        """
        if not isinstance(expr, tree.Name) or expr.id in scope.names or self._waits(expr.id):
            return None
        let = self.module.named.get(expr.id)
        if not isinstance(let, tree.Let) or let.family is not None or let.type is not None:
            return None
        if isinstance(let.value, (tree.Step, tree.Pipeline)) or expr.id in self._values:
            return None
        return let

    @contextmanager
    def inside(self, let: tree.Let) -> Iterator[Scope]:
        """The scope of a `let` whose expression is evaluated where it is used."""
        self._used.add(let.name.id)
        self._pending.append((let.name.id, let.name.span))
        yield Scope(address=self.address(let.name.id))
        self._pending.pop()

    def value_of(self, name: str, decl: Any) -> Any:
        """The value of a declaration, evaluated once."""
        if name in self._values:
            return self._values[name]
        if self._waits(name):
            self._report_cycle(name)
            return UNKNOWN
        if isinstance(decl, tree.Broken):
            return UNKNOWN
        self._pending.append((name, decl.name.span))
        self._values[name] = declared.declaration(self, name, decl)
        self._pending.pop()
        return self._values[name]

    def _waits(self, name: str) -> bool:
        return any(waiting == name for waiting, _ in self._pending)

    def _report_cycle(self, name: str) -> None:
        names = [waiting for waiting, _ in self._pending]
        around = self._pending[names.index(name) :]
        needs = [*(waiting for waiting, _ in around[1:]), name]
        if not self._in_cycles.isdisjoint(needs):
            return
        self._in_cycles.update(needs)
        steps = tuple((n, at, need) for (n, at), need in zip(around, needs, strict=True))
        self.report(Cycle(steps=steps))

    # --- what expressions need --------------------------------------------------------

    def evaluate(self, expr: tree.Expr, scope: Scope) -> Any:
        return evaluate.evaluate(self, expr, scope)

    def method(self, cls: type[Method], args: tuple[tree.Arg, ...], at: Span, scope: Scope) -> Any:
        return blocks.method(self, cls, args, at, scope)

    def step(
        self, verb: tree.Expr, block: tree.Block | None, subject: blocks.Subject | None, scope: Scope
    ) -> Any:
        return blocks.step(self, verb, block, subject, scope)

    def pipeline(self, head: Any, at: Span, stages: tuple[tree.Stage, ...], scope: Scope) -> Any:
        return blocks.pipeline(self, head, at, stages, scope)

    def row_type(self, expr: Any, columns: Columns) -> str:
        found = column_type(expr, columns)
        return "Unknown" if isinstance(found, RowProblem) else str(found)

    # --- steps ---------------------------------------------------------------------------

    def add(
        self, name: str, step: Step, type_: Type, at: Span, written: Mapping[str, Span] | None = None
    ) -> Any:
        """File a typed step under a free address and give it as a value."""
        if isinstance(type_, Unknown):
            return UNKNOWN
        self.work(at, STEP_WORK)
        label = name.split("/", 1)[0]
        self.steps[name] = TypedStep(name, step, type_, at, label, written or {})
        return Input(Ref(name), type_)

    def free(self, address: str, verb: str) -> str:
        """An address nobody has: the plain one, or with the verb behind it."""
        number = self._taken.get((address, verb), 1)  # all before it are in use
        while (wanted := _numbered(address, verb, number)) in self.steps:
            number += 1
        self._taken[address, verb] = number
        return wanted

    def tokenizer_adds(self, base: str, other: str) -> int | None:
        a, b = self.tokenizers.get(base), self.tokenizers.get(other)
        if a is None or b is None:
            return None
        match = compare_tokenizers(a, b)
        return match.extra if match.kind == "extends" else None

    def tokenizer_called(self, fingerprint: str) -> TokenizerType | None:
        read = self.tokenizers.get(fingerprint)
        if read is not None:
            return TokenizerType(fingerprint, read.vocab)
        made = (step.type for step in self.steps.values() if isinstance(step.type, TokenizerType))
        return next((type_ for type_ in made if type_.fingerprint == fingerprint), None)


def _as_written(module: Module) -> Module:
    return module


def _numbered(address: str, verb: str, number: int) -> str:
    if number == 1:
        return address or verb
    return f"{address}/{verb}" if number == 2 else f"{address}/{verb}_{number - 1}"

"""Blocks and argument lists to steps and methods: closed slots, defaults, ranges, the type rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pydantic

from fusec.compiler.capabilities import capable
from fusec.compiler.dropped import where_dropped
from fusec.compiler.expect import expect, fit
from fusec.compiler.foreign import blamed, result_type, verb_at
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input, RowOf, Want
from fusec.compiler.step import Declared, Method, Step
from fusec.compiler.values import UNKNOWN, Broken, Measure, describe
from fusec.lang import tree
from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.codes.fuse102_declared_twice import DeclaredTwice
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.codes.fuse401_needs_seed import NeedsSeed
from fusec.lang.diagnostics import Diagnostic, Fix
from fusec.lang.source import Span
from fusec.lang.types import DataType, TokenizerType
from fusec.lang.units import grouped

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from fusec.compiler.check import Checker

Subject = tuple[Any, Span]


class StepSite:
    """Where a step stands; implements `Site` for its type rule."""

    def __init__(
        self, c: Checker, name: str, verb_at: Span, exprs: Mapping[str, tree.Expr], subject: str
    ) -> None:
        self.c, self.name, self.verb_at = c, name, verb_at
        self.exprs, self.subject = exprs, subject

    def at(self, slot: str, index: int | None = None) -> Span:
        expr = self.exprs.get(slot)
        if expr is None:
            return self.verb_at
        if index is not None and isinstance(expr, tree.List) and index < len(expr.items):
            return expr.items[index].span
        if index is not None and isinstance(expr, tree.Map) and index < len(expr.entries):
            return expr.entries[index].key.span
        return expr.span

    def label(self, value: Input) -> str:
        return value.ref.node

    def declared(self, value: Input) -> Span | None:
        made = self.c.steps.get(value.ref.node)
        return made.at if made is not None else None

    def report(self, diagnostic: Diagnostic) -> None:
        self.c.report(diagnostic)

    def dropped(self, value: Input, column: str) -> Span | None:
        return where_dropped(self.c.steps, value, column)

    def know_space(self, fingerprint: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.c.spaces[fingerprint] = shapes

    def shapes_of(self, fingerprint: str) -> Mapping[str, tuple[int, ...]] | None:
        return self.c.spaces.get(fingerprint)

    def tokenizer_adds(self, base: str, other: str) -> int | None:
        return self.c.tokenizer_adds(base, other)

    def tokenizer_called(self, fingerprint: str) -> TokenizerType | None:
        return self.c.tokenizer_called(fingerprint)


def step(c: Checker, verb: tree.Expr, block: tree.Block | None, subject: Subject | None, scope: Scope) -> Any:
    """The result of `verb { ... }`, filed under the scope's address; UNKNOWN after a report."""
    if not isinstance(verb, (tree.Name, tree.Field)):  # the parser has said so
        return UNKNOWN
    cls = verb_at(c, verb, scope)
    if cls is None:
        return UNKNOWN
    slots = slots_of(c, block)
    name = c.free(scope.address, cls.verb)
    values = _values(c, cls, slots, subject, verb.span, Scope(scope.names, name))
    if values is None:
        return UNKNOWN
    written = {n: s.value.span for n, s in slots.items()}
    made = _build(c, cls, values, written, verb.span)
    if made is None:
        return UNKNOWN
    exprs = {n: s.value for n, s in slots.items()}
    site = StepSite(c, name, verb.span, exprs, cls.subject)
    if not capable(site, made, verb.span):
        return UNKNOWN
    type_ = result_type(made, site, verb.span)
    return c.add(name, made, type_, verb.span, written)


def pipeline(c: Checker, head: Any, at: Span, stages: tuple[tree.Stage, ...], scope: Scope) -> Any:
    """`head |> a {} |> b {}`: the last stage has the scope's address, the others stand under it."""
    value = head
    for number, stage in enumerate(stages, start=1):
        last = number == len(stages)
        verb = stage.verb.span.text.rpartition(".")[2]
        inner = scope if last else Scope(scope.names, c.free(f"{scope.address}/{verb}", verb))
        value = step(c, stage.verb, stage.block, (value, at), inner)
        at = stage.verb.span
    return value


def method(c: Checker, cls: type[Method], args: tuple[tree.Arg, ...], at: Span, scope: Scope) -> Any:
    """A method value with every default filled in."""
    wants = cls.wants()
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    positions = list(wants)
    broken = False
    for number, arg in enumerate(args):
        if arg.name is None and number and args[number - 1].name is not None:
            says = "an argument without a name stands behind one that has a name"
            c.report(Unexpected(arg.span, says, fix=Fix("write its name in front")))
            return UNKNOWN
        name = arg.name.id if arg.name else positions[number] if number < len(positions) else ""
        if name not in wants:
            where = arg.name.span if arg.name else arg.span
            c.report(
                UnknownSlot(owner=cls.name, name=where.text, at=where, known=tuple(wants), what="argument")
            )
            broken = True
            continue
        if name in values:
            c.report(DeclaredTwice(name=name, at=arg.span, first=spans[name]))
            broken = True
            continue
        values[name] = expect(c, arg.value, wants[name], scope.inside(name), name)
        spans[name] = arg.value.span
    for name in cls.required():
        if name not in values:
            c.report(Missing(owner=cls.name, name=name, at=at, what="argument", wants=str(wants[name])))
            broken = True
    if broken or any(isinstance(value, Broken) for value in values.values()):
        return UNKNOWN
    made = _build(c, cls, values, spans, at)
    return UNKNOWN if made is None else made


def slots_of(c: Checker, block: tree.Block | None) -> dict[str, tree.Slot]:
    """The slots of a block by name; a second one of a name is reported."""
    slots: dict[str, tree.Slot] = {}
    for slot in block.slots if block else ():
        first = slots.get(slot.name.id)
        if first is not None:
            c.report(DeclaredTwice(name=slot.name.id, at=slot.name.span, first=first.name.span))
        else:
            slots[slot.name.id] = slot
    return slots


def _values(
    c: Checker,
    cls: type[Step],
    slots: dict[str, tree.Slot],
    subject: Subject | None,
    at: Span,
    scope: Scope,
) -> dict[str, Any] | None:
    """Field values of a step; None after a report that leaves it without a meaning."""
    wants = cls.wants()
    values: dict[str, Any] = {}
    if subject is not None:
        values[cls.subject] = _subject(c, cls, subject)
    columns = _columns(c, cls, slots, values, scope)
    outer, c.rows_of = c.rows_of, values.get(cls.subject)
    opened: list[tuple[str, Any]] = []
    ok = True
    for name, slot in slots.items():
        want = _want(cls, wants, name)
        if subject is not None and name == cls.subject:
            c.report(DeclaredTwice(name=name, at=slot.name.span, first=subject[1]))
            ok = False
        elif want is None:
            known = tuple(sorted(n for n in wants if n != cls.open_slots))
            c.report(UnknownSlot(owner=cls.verb, name=name, at=slot.name.span, known=known))
            ok = False
        elif name not in values:
            # Without a subject nothing is known about columns, so nothing is said about them.
            blind = isinstance(want, RowOf) and columns is None
            value = UNKNOWN if blind else expect(c, slot.value, want, scope.inside(name), name, columns)
            if name in wants and name != cls.open_slots:
                values[name] = value
            else:
                opened.append((name, value))
    c.rows_of = outer
    if cls.open_slots:
        values[cls.open_slots] = tuple(opened)
        ok = ok and not any(isinstance(value, Broken) for _, value in opened)
    ok = _seed(c, cls, values, at) and ok
    for name in cls.required():
        if name not in values and name != "seed":
            c.report(Missing(owner=cls.verb, name=name, at=at, wants=str(wants[name])))
            ok = False
    return values if ok and not any(isinstance(value, Broken) for value in values.values()) else None


def _want(cls: type[Step], wants: Mapping[str, Want], name: str) -> Want | None:
    if name in wants and name != cls.open_slots:
        return wants[name]
    return cls.open_want if cls.open_slots else None


def _subject(c: Checker, cls: type[Step], subject: Subject) -> Any:
    value, at = subject
    if not cls.subject:
        return c.wrong(at, describe(value), "nothing before `|>`", f"`{cls.verb}`")
    want = cls.wants()[cls.subject]
    return fit(c, value, want, tree.Name(span=at, id=at.text), cls.verb)


def _columns(
    c: Checker, cls: type[Step], slots: dict[str, tree.Slot], values: dict[str, Any], scope: Scope
) -> Mapping[str, Any] | None:
    """The columns that row expressions of this step may read, None when its subject is broken."""
    rows = isinstance(cls.open_want, RowOf) or any(isinstance(w, RowOf) for w in cls.wants().values())
    if not rows:
        return {}
    if cls.subject not in values and cls.subject in slots:
        want = cls.wants()[cls.subject]
        values[cls.subject] = expect(
            c, slots[cls.subject].value, want, scope.inside(cls.subject), cls.subject
        )
    value = values.get(cls.subject)
    return dict(value.type.columns) if isinstance(value, Input) and isinstance(value.type, DataType) else None


def _seed(c: Checker, cls: type[Step], values: dict[str, Any], at: Span) -> bool:
    """Seeded verbs take the parameter `seed` unless they state their own."""
    if "seed" not in cls.model_fields or "seed" in values:
        return True
    name = tree.Name(span=at, id="seed")
    if isinstance(c.module.named.get("seed"), tree.Param):
        values["seed"] = fit(c, c.lookup(name, Scope()), cls.wants()["seed"], name, "seed")
        return True
    c.report(NeedsSeed(verb=cls.verb, at=at))
    return False


def _build(
    c: Checker, cls: type[Declared], values: dict[str, Any], spans: Mapping[str, Span], at: Span
) -> Any:
    with blamed(cls, at, c.report):
        try:
            return cls(**values)
        except pydantic.ValidationError as error:
            for problem in error.errors():
                name = str(problem["loc"][0]) if problem["loc"] else ""
                got, allowed = _shown(problem["input"]), _allowed(problem, cls.model_fields.get(name))
                c.report(OutOfRange(at=spans.get(name, at), what=name, got=got, allowed=allowed))
    return None


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, (int, float, str, Measure)) else "this"


def _allowed(problem: Any, field: FieldInfo | None) -> str:
    """Both ends of the range, whichever was left; the words of the rule itself where it is no range."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most", "min_length": "at least"}
    broken: dict[str, Any] = {k: v for k, v in problem.get("ctx", {}).items() if k in words}
    if not broken:
        return str(problem["msg"])
    stated = field.metadata if field is not None else ()
    limits = {key: getattr(limit, key) for key in words for limit in stated if hasattr(limit, key)} | broken
    return " and ".join(f"{words[key]} {grouped(limits[key])}" for key in words if key in limits)

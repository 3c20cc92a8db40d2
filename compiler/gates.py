"""Goals and limits: `output`, `check` and `budget` declarations."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from fusec.compiler.arithmetic import COMPARE
from fusec.compiler.evaluate import evaluate
from fusec.compiler.expect import fit
from fusec.compiler.ir import Check, Output
from fusec.compiler.paths import only_by_case
from fusec.compiler.rowexpr import Op
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Amount, Input, Want
from fusec.compiler.typed import Limit
from fusec.compiler.values import UNKNOWN, Broken, Measure, Score, describe
from fusec.lang import tree
from fusec.lang.codes.fuse101_unknown_name import UnknownName
from fusec.lang.codes.fuse102_declared_twice import DeclaredTwice
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse210_cannot_give import CannotGive
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span
from fusec.lang.types import EndpointType, MapType, ReportType, score_paths

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

LIMITS: dict[str, Want] = {
    "expert_reads": Amount("Size"),
    "reads": Amount("Size"),
    "writes": Amount("Size"),
    "wall": Amount("Time"),
    "gpu": Amount("Compute"),
    "cost": Amount("Money"),
    "teacher": Amount("Count", "tokens"),
}


def goals(c: Checker) -> tuple[Output | Check, ...]:
    """Outputs and checks of the file in order; broken ones have been reported."""
    found: list[Output | Check] = []
    places: dict[str, Span] = {}
    for output in c.module.outputs:
        made = _output(c, output)
        if made is None:
            continue
        place, at = posixpath.normpath(made.to), output.to.span
        if place in places:
            c.report(DeclaredTwice(name=made.to, at=at, first=places[place]))
        places.setdefault(place, at)
        found.append(made)
    for problem in only_by_case(places.items()):
        c.report(problem)
    for check in c.module.checks:
        condition = _condition(c, check.condition)
        if not isinstance(condition, Broken):
            message = check.message.literal or "" if check.message else ""
            text = " ".join(check.condition.span.text.split())
            found.append(Check(condition, text, message, str(check.span)))
    return tuple(found)


def limits(c: Checker) -> tuple[Limit, ...]:
    """The lines of the `budget` block."""
    found: dict[str, Limit] = {}
    for slot in (slot for budget in c.module.budgets for slot in budget.block.slots):
        want = LIMITS.get(slot.name.id)
        if want is None:
            c.report(
                UnknownSlot(
                    owner="budget", name=slot.name.id, at=slot.name.span, known=tuple(LIMITS), what="limit"
                )
            )
            continue
        name, at = slot.name.id, slot.value.span
        if name in found:
            c.report(DeclaredTwice(name=name, at=at, first=found[name].at))
            continue
        value = evaluate(c, slot.value, Scope())
        fitted = fit(c, value, want, slot.value, name)
        if isinstance(value, Measure) and not isinstance(fitted, Broken):
            if value.value <= 0:
                c.report(OutOfRange(at=at, what=name, got=str(value), allowed="above 0"))
            found[name] = Limit(name, value, at)
    return tuple(found.values())


def _output(c: Checker, output: tree.Output) -> Output | None:
    value = evaluate(c, output.path, Scope(address="output"))
    to = evaluate(c, output.to, Scope())
    if isinstance(value, Broken) or isinstance(to, Broken):
        return None
    for slot in output.block.slots if output.block else ():
        c.report(UnknownSlot(owner="output", name=slot.name.id, at=slot.name.span, known=()))
    if not isinstance(value, Input) or isinstance(value.type, MapType):
        c.wrong(output.path.span, describe(value), "one Model, Data, Tokenizer or Report", "output")
        return None
    if isinstance(value.type, EndpointType):
        at, name = output.path.span, value.ref.node
        keyword = output.span.source.span(output.span.start, output.span.start + len("output"))
        made = c.steps[name].at
        c.report(CannotGive(name, at, str(value.type), "Model", "output", keyword, made))
        return None
    if ":" in to.split("/", 1)[0] or not to or "\0" in to:
        allowed = "a path on this machine such as `./models/name`"
        c.report(OutOfRange(at=output.to.span, what="the destination", got=f"`{to}`", allowed=allowed))
        return None
    return Output(value.ref, to, str(output.span))


def _condition(c: Checker, expr: tree.Expr) -> Any:
    """A condition over scores: the tree as `Op`s, with `field(ref, path)` where a report is read."""
    match expr:
        case tree.Binary(op="and" | "or"):
            return _op(expr.op, _condition(c, expr.left), _condition(c, expr.right))
        case tree.Unary(op="not"):
            return _op("not", _condition(c, expr.value))
        case tree.Binary() if expr.op in COMPARE:
            return _op(expr.op, _number(c, expr.left), _number(c, expr.right))
    got = f"`{expr.span.text}` is no comparison"
    return c.wrong(expr.span, got, "a comparison of scores", "check")


def _number(c: Checker, expr: tree.Expr) -> Any:
    match expr:
        case tree.Binary(op="+" | "-" | "*" | "/"):
            left, right = _number(c, expr.left), _number(c, expr.right)
            if expr.op == "/" and right == 0:
                at, allowed = expr.right.span, "a number other than 0"
                c.report(OutOfRange(at=at, what="the divisor", got="0", allowed=allowed))
            return _op(expr.op, left, right)
        case tree.Unary(op="-"):
            return _op("neg", _number(c, expr.value))
    value = evaluate(c, expr, Scope())
    if isinstance(value, Score):
        return _score(c, value, expr.span)
    if isinstance(value, Measure) and value.dimension == "Share":
        return value.value
    if isinstance(value, Broken) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return c.wrong(expr.span, describe(value), "a score or a number", "check", expr)


def _score(c: Checker, score: Score, at: Span) -> Any:
    step = c.steps[score.report.node]
    assert isinstance(step.type, ReportType)
    paths = score_paths(step.type)
    path = ".".join(score.path)
    if path not in paths:
        c.report(UnknownName(name=path, at=at, known=tuple((p, None) for p in paths)))
        return UNKNOWN
    return Op("field", (score.report, path))


def _op(name: str, *args: Any) -> Any:
    return UNKNOWN if any(isinstance(arg, Broken) for arg in args) else Op(name, args)

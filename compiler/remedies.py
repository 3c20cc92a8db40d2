"""Changes of a spec that would bring its plan within a limit: each one planned again before it is offered.

Tried are the numbers written in the steps that use most of the limit, and the parameters of the spec. What
a number does to the plan is measured, not assumed: the cost is taken for a line through two plans, the
value where it meets the limit is rounded down, and the plan with that value decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from fusec.compiler.addresses import without_keys
from fusec.compiler.typed import Typed
from fusec.lang import tree
from fusec.lang.parse import parse_expr
from fusec.lang.source import Source, Span
from fusec.lang.units import UNITS, grouped

if TYPE_CHECKING:
    from fusec.compiler.plan import Plan, PlannedLimit

Replan = Callable[[str, Mapping[str, str]], "Plan | None"]
"""The plan of a text under settings, or None where it has errors."""

MOST_TRIED, MOST_SAID, ATTEMPTS = 12, 3, 3
_COUNTS = frozenset({"Count", "Share", "Size"})


class Knob(NamedTuple):
    """One number of a spec that may be turned: in its text at `at`, or the parameter `param`."""

    name: str
    value: int | float
    unit: str
    where: str
    at: Span | None = None
    param: str = ""

    def written(self, value: int | float) -> str:
        number = grouped(value) if isinstance(value, int) else str(value)
        return f"{number}{' ' * (self.unit not in ('', '%'))}{self.unit}"

    def change(self, value: int | float) -> str:
        if self.param:
            return f"--set {self.param}={self.written(value).replace(' ', '')}"
        return f"{self.name}: {self.written(value)} in `{self.where}`"


class Remedies:
    """Looks for changes of one spec: its text, its settings, and a way to plan both again."""

    def __init__(self, source: Source, settings: Mapping[str, str], typed: Typed, replan: Replan) -> None:
        self._source, self._settings, self._typed, self._replan = source, settings, typed, replan
        self._plans: dict[tuple[str, tuple[tuple[str, str], ...]], Plan | None] = {}

    def ways(self, limit: PlannedLimit, spenders: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Up to three changes and what the plan then needs: slots of the spenders, and a parameter."""
        slots = self._fitting(self._slots(spenders), limit)
        params = self._fitting(self._params(), limit)
        beside = MOST_SAID - 1 if params else MOST_SAID
        return (*slots[:beside], *params)[:MOST_SAID]

    def _fitting(self, knobs: Iterable[Knob], limit: PlannedLimit) -> list[tuple[str, str]]:
        tried = (self._turn(knob, limit) for knob in islice(knobs, MOST_TRIED))
        return list(islice((way for way in tried if way is not None), MOST_SAID))

    # --- what can be turned ---------------------------------------------------------------

    def _slots(self, spenders: Iterable[str]) -> Iterator[Knob]:
        """The numbers that stand in the slots of steps, and in methods there."""
        seen: set[int] = set()
        for name in spenders:
            for slot, at in self._typed.steps[name].written.items():
                if at.source.name != self._source.name or at.start in seen:
                    continue
                seen.add(at.start)
                expr, problems = parse_expr(Source(at.source.name, " " * at.start + at.text))
                if not problems and expr is not None:
                    yield from _numbers(expr, slot, without_keys(name))

    def _params(self) -> Iterator[Knob]:
        for name, value in self._typed.params.items():
            if name == "seed":
                continue
            text = "true" if value is True else str(value)
            expr, problems = parse_expr(Source("--set", text))
            if not problems and expr is not None:
                yield from (knob._replace(param=name) for knob in _number(expr, name, ""))

    # --- turning --------------------------------------------------------------------------

    def _turn(self, knob: Knob, limit: PlannedLimit) -> tuple[str, str] | None:
        """A smaller value of the knob with which the plan keeps the limit."""
        if knob.value is True:
            return self._fits(knob, False, limit)[1]
        half = _rounded(knob.value / 2, knob.value)
        if half <= 0 or half >= knob.value:
            return None
        needs, _ = self._fits(knob, half, limit)
        slope = (limit.planned - needs) / (knob.value - half) if needs is not None else 0.0
        if slope <= 0:
            return None
        value = _rounded(knob.value - (limit.planned - limit.limit) / slope, knob.value)
        for _ in range(ATTEMPTS):
            if value <= 0:
                return None
            _, way = self._fits(knob, value, limit)
            if way is not None:
                return way
            value = _rounded(value * 0.9, knob.value) if value > 1 else 0
        return None

    def _fits(
        self, knob: Knob, value: int | float, limit: PlannedLimit
    ) -> tuple[float | None, tuple[str, str] | None]:
        """What the plan needs with the value, and the change in words where that keeps the limit."""
        text, settings = self._source.text, dict(self._settings)
        if knob.at is not None and not knob.param:
            text = text[: knob.at.start] + knob.written(value) + text[knob.at.end :]
        else:
            settings[knob.param] = "false" if value is False else knob.written(value)
        key = (text, tuple(settings.items()))
        if key not in self._plans:  # one limit tries what another has tried
            self._plans[key] = self._replan(text, settings)
        plan = self._plans[key]
        if plan is None:
            return None, None
        found = next(one for one in plan.limits if one.name == limit.name)
        if found.planned > found.limit:
            return found.planned, None
        change = f"--set {knob.param}=false" if value is False else knob.change(value)
        return found.planned, (change, f"fits at {limit.text(found.planned)}")


def _numbers(expr: tree.Expr, slot: str, step: str) -> Iterator[Knob]:
    if isinstance(expr, tree.Call):
        for arg in expr.args:
            if arg.name is not None:
                yield from _numbers(arg.value, arg.name.id, step)
    else:
        yield from _number(expr, slot, step)


def _number(expr: tree.Expr, name: str, where: str) -> Iterator[Knob]:
    """The expression as a knob when it is a number that may be scaled, or `true`."""
    if isinstance(expr, tree.Quantity) and expr.unit in UNITS and UNITS[expr.unit].dimension in _COUNTS:
        yield Knob(name, expr.value, expr.unit, where, expr.span)
    elif isinstance(expr, tree.Number):
        yield Knob(name, expr.value, "", where, expr.span)
    elif isinstance(expr, tree.Bool) and expr.value and not where:
        yield Knob(name, True, "", where, expr.span)


def _rounded(value: float, like: int | float) -> int | float:
    """Two or three significant digits, never up; whole where `like` is whole."""
    if value <= 0:
        return 0
    digits = f"{value:.3g}"
    near = float(digits)
    step = (
        10.0 ** (len(str(int(value))) - 3) if value >= 1000 else 1.0 if isinstance(like, int) else near / 100
    )
    down = (value // step) * step
    return int(down) if isinstance(like, int) else float(f"{down:.3g}")

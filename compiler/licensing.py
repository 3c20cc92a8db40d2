"""Licences along the graph: what an output is made from, and the first step where it cannot be one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fusec.compiler.ir import Check, Output, refs
from fusec.compiler.irsteps import lower_slots
from fusec.compiler.licences import Clash, clash
from fusec.compiler.step import Step
from fusec.compiler.typed import TypedStep
from fusec.lang.codes.fuse507_licences_clash import LicencesClash
from fusec.lang.types import ReportType


def clashes(
    steps: Mapping[str, TypedStep], goals: Iterable[Output | Check], licences: Mapping[str, str]
) -> Iterator[LicencesClash]:
    """One warning for each step where licences that exclude each other meet on the way to an output.

    `licences` are those of sources by the name of their step.
    """
    outputs = [goal.of.node for goal in goals if isinstance(goal, Output)]
    shared = _on_the_way([name for name in outputs if not _is_report(steps[name])], steps)
    carried: dict[str, dict[str, str]] = {}  # by step: each licence it carries, with one source of it
    met: dict[str, frozenset[Clash]] = {}
    for name, made in steps.items():
        parents = _made_from(made.step, steps)
        if not parents:
            carried[name] = {licences[name]: name} if name in licences else {}
            met[name] = frozenset()
            continue
        own: dict[str, str] = {}
        for parent in parents:
            own = {**own, **{key: source for key, source in carried[parent].items() if key not in own}}
        carried[name] = own
        before = frozenset[Clash]().union(*(met[parent] for parent in parents))
        found = {problem: pair for pair in _pairs(own) if (problem := clash(*pair)) is not None}
        met[name] = before | found.keys()
        new = [problem for problem in found if problem not in before]
        if new and name in shared:
            one, other = (own[licence] for licence in found[new[0]])
            yield _warning(made, new[0], steps[one], steps[other], licences)


def _warning(
    made: TypedStep, problem: Clash, one: TypedStep, other: TypedStep, licences: Mapping[str, str]
) -> LicencesClash:
    return LicencesClash(
        result=made.name,
        at=made.at,
        first=one.name,
        first_licence=licences[one.name],
        first_at=one.at,
        second=other.name,
        second_licence=licences[other.name],
        second_at=other.at,
        reason=problem.why,
    )


def _pairs(licences: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each licence with itself, which may suffice to be in the way, and with those behind it."""
    every = tuple(licences)
    for number, one in enumerate(every):
        yield from ((one, other) for other in every[number:])


def _on_the_way(names: list[str], steps: Mapping[str, TypedStep]) -> set[str]:
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names.extend(_made_from(steps[name].step, steps))
    return found


def _made_from(step: Step, steps: Mapping[str, TypedStep]) -> list[str]:
    """The steps whose results go into this one; a report is about them and carries nothing of them."""
    nodes = dict.fromkeys(ref.node for ref in refs(tuple(value for _, value in lower_slots(step))))
    return [name for name in nodes if not _is_report(steps[name])]


def _is_report(made: TypedStep) -> bool:
    return isinstance(made.type, ReportType)

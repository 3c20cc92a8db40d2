"""What is said of a spec as a whole, once every declaration has its value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from fusec.compiler.ir import Check, Output
from fusec.compiler.paths import is_local, only_by_case
from fusec.compiler.typed import Limit, TypedTarget
from fusec.lang import tree
from fusec.lang.codes.fuse108_never_used import NeverUsed
from fusec.lang.diagnostics import Diagnostic

if TYPE_CHECKING:
    from fusec.compiler.check import Checker


def afterthoughts(
    c: Checker,
    goals: Collection[Output | Check],
    limits: tuple[Limit, ...],
    targets: Mapping[str, TypedTarget],
) -> Iterator[Diagnostic]:
    """Licences that clash, paths that some file systems take for one, targets that contradict themselves;
    and, where nothing is broken that may have used it, what nothing uses."""
    if c.licences:
        from fusec.compiler.licensing import clashes

        yield from clashes(c.steps, goals, c.licences)
    yield from only_by_case(
        (request.uri, c.steps[name].at)
        for name, request in c.sources.items()
        if is_local(request.uri) and name in c.steps
    )
    if targets:
        from fusec.compiler.placement import currencies_differ, unreachable_store

        for target in targets.values():
            yield from currencies_differ(target)
            yield from unreachable_store(target)
    if not c.failed:
        yield from _unused(c)
    if limits and not c.failed:
        from fusec.compiler.budget import without_effect

        yield from without_effect(limits, c.steps.values())


def _unused(c: Checker) -> Iterator[Diagnostic]:
    for name, decl in c.module.named.items():
        if c.is_used(name) or isinstance(decl, (tree.Target, tree.Broken)):
            continue
        if isinstance(decl, tree.Param) and name == "seed":
            continue
        kind = decl.kind if isinstance(decl, tree.Bind) else type(decl).__name__.lower()
        yield NeverUsed(name=name, at=decl.name.span, kind=kind)

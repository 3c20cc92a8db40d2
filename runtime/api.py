"""fusec from Python: compile a spec, run it, load what a run recorded, replay it.

plan = fusec.compile("specs/quickstart.fuse", steps=20)
manifest = plan.run()
assert fusec.replay(plan.manifest_path(manifest)) == ()
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusec.compiler.fitting import unfit
from fusec.compiler.plan import Plan as PlanFile
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.render import in_order, render
from fusec.runtime.kernel import RunError
from fusec.runtime.manifest import Difference, Manifest, load_manifest
from fusec.runtime.params_file import setting_text
from fusec.runtime.runs import MANIFEST
from fusec.runtime.session import Checked, Session, stored_ids

PathLike = str | os.PathLike[str]


class SpecError(Exception):
    """A spec with errors; the text is what `fusec check` prints, `problems` are the diagnostics."""

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        self.problems = tuple(in_order(problems))
        super().__init__("\n" + "\n".join(map(render, self.problems)))


@dataclass
class Plan:
    """A spec with its settings, ready to run. `planned` is the plan as a file holds it."""

    planned: PlanFile
    session: Session = field(repr=False)
    checked: Checked = field(repr=False)

    @property
    def id(self) -> str:
        """64 hex digits: equal for specs that ask for the same results."""
        return self.planned.id

    def run(
        self,
        *,
        store: PathLike | None = None,
        threads: int | None = None,
        device: str = "cpu",
        gate: bool = True,
        publish: bool = True,
        analyze: bool = False,
    ) -> Manifest:
        """Pin what is not pinned, compute what `store` lacks, decide the checks, publish the outputs.

        `store` is `.fusec` beside the spec by default. Raises `SpecError` when pinning shows an error or
        the budget is exceeded, `RunError` when a task fails. With `gate`, a check that fails keeps the
        outputs unpublished; the manifest then says `gate="closed"`. With `analyze`, merges that read their
        models whole tell the catalog of the store what is in them.
        """
        from fusec.runtime.executors.local import run_plan
        from fusec.runtime.executors.options import Options
        from fusec.runtime.preparing import prepare
        from fusec.runtime.store import Store

        options = Options(threads=threads, device=device, gate=gate, publish=publish, analyze=analyze)
        opened = Store(self._store(store))
        try:
            ready = prepare(self.session, self.checked, opened)
            require(ready.checked, ready.plan)
            return run_plan(ready.plan, opened, self.session.base, options).manifest
        finally:
            opened.close()

    def manifest_path(self, manifest: Manifest, store: PathLike | None = None) -> Path:
        """Where the manifest of a run of this plan lies; `store` as it was given to `run`."""
        return self._store(store) / "runs" / manifest.run / MANIFEST

    def _store(self, store: PathLike | None) -> Path:
        return Path(store) if store is not None else self.session.store_path


def compile(path: PathLike, /, **params: Any) -> Plan:
    """The plan of a spec; `params` replace its parameters, as text or as Python values.

    Reads headers only, looks at what the store beside the spec holds already, and runs nothing. Raises
    `SpecError` for a spec with errors and `RunError` for one that cannot be read.
    """
    session = Session(Path(path), {name: setting_text(value) for name, value in params.items()})
    checked = session.check()
    if checked.failed:
        raise SpecError(checked.problems)
    plan = session.plan(checked, stored=stored_ids(session.store_path))
    require(checked, plan)
    return Plan(plan, session, checked)


def load(manifest: PathLike) -> Manifest:
    """The manifest at a path, or in a run folder. `RunError` when it is missing, damaged or altered."""
    path = Path(manifest)
    return load_manifest(path / MANIFEST if path.is_dir() else path)


def replay(manifest: PathLike, *, base: PathLike | None = None) -> tuple[Difference, ...]:
    """Run again from nothing and compare every node and check by content; empty when all is equal."""
    from fusec.runtime.replay import replay_run

    return replay_run(Path(manifest), Path(base) if base is not None else None).differences


def require(checked: Checked, plan: PlanFile) -> None:
    """Raises `SpecError` for a spec with errors, and for a plan beyond its budget."""
    if checked.failed:
        raise SpecError(checked.problems)
    problems = unfit(checked.typed, plan)
    if any(problem.level == "error" for problem in problems):
        raise SpecError(problems)


__all__ = ["Difference", "Manifest", "Plan", "RunError", "SpecError", "compile", "load", "replay"]

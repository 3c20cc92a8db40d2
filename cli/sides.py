"""The two sides of `fusec diff`: what a path or the name of a run stands for, as a plan and what was made."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fusec.cli.opening import open_store
from fusec.compiler.plan import Plan
from fusec.runtime.kernel import RunError
from fusec.runtime.manifest import Manifest, load_manifest
from fusec.runtime.runs import MANIFEST
from fusec.runtime.session import Session, read_plan


class Side(NamedTuple):
    """A spec and a saved plan have no manifest; a manifest away from its run folder has no plan and no store.

    `store` is where the results of the manifest are.
    """

    kind: str
    plan: Plan | None = None
    manifest: Manifest | None = None
    store: Path | None = None


def read_side(what: str, store: Path | None) -> Side:
    """What `what` is, by its content: a spec, a plan, a manifest, a run folder, or the name of a run.

    Tells the mistakes of a spec and ends the command when it has errors. Raises `RunError` for anything else.
    """
    path = Path(what)
    if path.is_dir():
        return _run(path)
    if not path.exists():
        return _run(_folder(what, store))
    with path.open("rb") as file:
        head = file.read(1)
    if head == b"{":
        manifest = load_manifest(path)
        plan = path.with_name("plan")
        if not plan.is_file():
            return Side("manifest", None, manifest)
        return Side("manifest", read_plan(plan), manifest, _store_of(path.parent))
    if head and head[0] >= 0x80:  # no text begins with such a byte, and every plan does
        return Side("plan", read_plan(path))
    return _spec(path)


def _spec(path: Path) -> Side:
    from fusec.cli.checking import checked

    session = Session(path)
    return Side("spec", session.plan(checked(session)))


def _run(folder: Path) -> Side:
    manifest = folder / MANIFEST
    if not (folder / "plan").is_file():
        raise RunError(f"{folder} is not the folder of a run", hint="`fusec runs` lists the runs of a store")
    made = load_manifest(manifest) if manifest.is_file() else None
    return Side("run", read_plan(folder / "plan"), made, _store_of(folder))


def _store_of(folder: Path) -> Path:
    """The store that the folder of a run lies in, as `runs/NAME`."""
    return folder.resolve().parent.parent


def _folder(run: str, store: Path | None) -> Path:
    """The folder of the one run whose name begins like this."""
    if store is None and not Path(".fusec").is_dir():
        raise RunError(f"there is no file and no run `{run}`", hint="name a spec, plan, manifest or run")
    with open_store(store) as opened:
        found = [row.id for row in opened.catalog.runs() if row.id.startswith(run)]
        if len(found) != 1:
            said = f"{len(found)} runs begin with" if found else "there is no file and no run"
            raise RunError(f"{said} `{run}`", hint="`fusec runs` lists them")
        return opened.run_folder(found[0])

"""From a spec to a plan that can run: sources pinned by content, checked again, planned against a store."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from fusec.compiler.plan import Plan
from fusec.runtime.session import Checked, Session, unpinned
from fusec.runtime.store import Store


@dataclass(frozen=True)
class Ready:
    """A plan over pinned sources; `pinned` names the sources that were pinned for it just now."""

    checked: Checked
    plan: Plan
    pinned: tuple[str, ...]


class Stored:
    """The identities a store holds, as the `stored` of a plan."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self._store.has(id)


def prepare(
    session: Session,
    checked: Checked,
    store: Store,
    only: tuple[str, ...] = (),
    target: str | None = None,
    *,
    without: Container[str] = (),
    added: Container[str] = (),
) -> Ready:
    """Pin what is not pinned yet and plan the rest of the work, for a target of the spec or this machine.

    Reading a source whole may widen its columns, so the spec is checked again with what was found; look at
    `checked.failed` before the plan is run. `without` and `added` are passes, as of `make_plan`.
    """
    pinned: tuple[str, ...] = ()

    def planned() -> Plan:
        return session.plan(
            checked, stored=Stored(store), only=only, without=without, added=added, target=target
        )

    plan = planned()
    if unpinned(plan) or session.unlocked(checked):
        pinned = session.lock(checked, digest=store.catalog.file_digest)
        checked = session.check()
        if not checked.failed:
            plan = planned()
    return Ready(checked, plan, pinned)

"""What the results of a store were made from: the runs that it keeps say so, with or without the results.

A result is made from a model directly or through other results. It becomes stale with the model unless
every way to it leads through a merge under a budget that read no block of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fusec.compiler.facts import SourceProblem, SourceRequest
from fusec.compiler.identity import plain
from fusec.compiler.ir import Node
from fusec.compiler.paths import is_local
from fusec.compiler.plan import PlannedSource
from fusec.compiler.reads.account import Account, experts_in_order
from fusec.compiler.reads.planned import PlannedReads
from fusec.runtime.manifest import load_manifest
from fusec.runtime.runs import MANIFEST
from fusec.runtime.session import read_plan
from fusec.runtime.sources.inspect import inspect
from fusec.runtime.sources.pinning import pin
from fusec.runtime.store import Store


class Use(NamedTuple):
    """A result made from a model; `through` are the results between the two, the model's side first."""

    id: str
    name: str
    verb: str
    through: tuple[str, ...]
    stale: bool
    outputs: tuple[str, ...]


@dataclass
class _Known:
    """What the runs say, by identity."""

    names: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, tuple[Node, dict[str, str]]] = field(default_factory=dict)
    reads: dict[str, PlannedReads] = field(default_factory=dict)
    outputs: dict[str, dict[str, None]] = field(default_factory=dict)
    meant: dict[str, None] = field(default_factory=dict)


def uses_of(store: Store, model: str) -> tuple[Use, ...] | None:
    """The results in the store that were made from `model`, those before that others were made from.

    `model` is a folder, an address as a spec has it, or what specs call a source or a result, `merged` or
    `spec/merged`. A folder that is there is also known by its content, which hashes it unless the catalog
    remembers that. None where no run knows such a model.
    """
    content = _content(store, Path(model)) if Path(model).is_dir() else None
    known = _Known()
    for row in reversed(store.catalog.runs()):
        folder = store.run_folder(row.id)
        if (folder / "plan").is_file():
            _learn(known, store, folder, model, content)
    if not known.meant:
        return () if content is not None else None
    return tuple(_uses(known, store.has))


def _uses(known: _Known, stored: Callable[[str], bool]) -> Iterator[Use]:
    paths: dict[str, tuple[str, ...]] = dict.fromkeys(known.meant, ())
    stale = set(known.meant)
    for id, (node, ids) in known.nodes.items():
        parents = list(dict.fromkeys(ids[ref.node] for ref in node.inputs))
        stale |= {id} if any(one in stale and _holds(known, id, one) for one in parents) else set()
        ways = [
            paths[one] if one in known.meant else (*paths[one], known.names[one])
            for one in parents
            if one in paths
        ]
        if not ways or id in known.meant:
            continue
        paths[id] = min(ways, key=len)
        if stored(id):
            outputs = tuple(known.outputs.get(id, ()))
            yield Use(id, known.names[id], node.verb, paths[id], id in stale, outputs)


def _holds(known: _Known, id: str, expert: str) -> bool:
    """Whether the result has anything of one of its inputs."""
    node, ids = known.nodes[id]
    reads = known.reads.get(id)
    if reads is None or ids[node.slot("base").node] == expert:
        return True
    return Account(reads, experts_in_order(plain(node.slot("experts"), ids), known.names)).holds(expert)


# --- what runs say --------------------------------------------------------------------------


def _learn(known: _Known, store: Store, folder: Path, model: str, content: str | None) -> None:
    plan, base = read_plan(folder / "plan"), store.root.resolve().parent
    stem, ids = Path(plan.spec).stem, {task.name: task.id for task in plan.tasks}
    for name, node in plan.graph().nodes.items():
        known.names.setdefault(ids[name], f"{stem}/{name}")
        known.nodes.setdefault(ids[name], (node, ids))
        if model in (name, f"{stem}/{name}"):
            known.meant[ids[name]] = None
    known.reads |= {task.id: task.reads for task in plan.tasks if task.reads is not None}
    for source in plan.sources:
        if _is(source, model, base, content):
            known.meant[ids[source.name]] = None
    if (folder / MANIFEST).is_file():
        manifest = load_manifest(folder / MANIFEST)
        known.reads |= {node.id: node.reads for node in manifest.nodes if node.reads is not None}
        for output in manifest.outputs:
            known.outputs.setdefault(output.id, {})[output.to] = None
            if _same_place(output.to, model, base):
                known.meant[output.id] = None


def _is(source: PlannedSource, model: str, base: Path, content: str | None) -> bool:
    uri, facts = source.request.uri, source.facts
    return uri == model or facts.pin == content or (is_local(uri) and _same_place(uri, model, base))


def _same_place(written: str, model: str, base: Path) -> bool:
    return os.path.realpath(base / Path(written).expanduser()) == os.path.realpath(Path(model).expanduser())


def _content(store: Store, folder: Path) -> str:
    """The pin of a model folder as it is now; empty for any other folder."""
    request = SourceRequest("model", str(folder.resolve()))
    facts = inspect(request, base=folder)
    if not isinstance(facts, SourceProblem):
        facts = pin(request, facts, base=folder, digest=store.catalog.file_digest)
    return "" if isinstance(facts, SourceProblem) else facts.pin

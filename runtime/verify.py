"""Verify: every byte that a manifest vouches for, hashed again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fusec.runtime.destinations import destination
from fusec.runtime.digest import folder_digest
from fusec.runtime.manifest import NodeRecord, OutputRecord, load_manifest
from fusec.runtime.publish import output_root
from fusec.runtime.runs import place_of


@dataclass(frozen=True)
class Verified:
    """`problems` are sentences, one for each output or stored file that is not what the manifest says."""

    problems: tuple[str, ...]
    outputs: int
    results: int


def verify_run(manifest: Path, base: Path | None = None) -> Verified:
    """Hash the published outputs and the stored results of a run; the catalog is not asked.

    `base` is where relative outputs start, the folder of the store by default.
    """
    place = place_of(manifest)
    record = load_manifest(place.manifest)
    problems = [line for output in record.outputs for line in _output(output, base or place.base)]
    problems += [line for node in record.nodes for line in _result(node, place.store)]
    return Verified(tuple(problems), len(record.outputs), len(record.nodes))


def _output(output: OutputRecord, base: Path) -> list[str]:
    found = output_root(destination(output.to, base))
    if found is None:
        return [f"output {output.to}: missing"]
    return [] if found == output.root else [f"output {output.to}: changed since it was published"]


def _result(node: NodeRecord, store: Path) -> list[str]:
    path = store / "objects" / node.kind / node.id
    if not path.is_dir():
        return [f"result {node.name}: missing from the store"]
    recorded = {file.name: file for file in node.files}
    found = {file.name: file for file in folder_digest(path).files}
    names = sorted(name for name in recorded.keys() | found.keys() if recorded.get(name) != found.get(name))
    return [f"result {node.name}: {name} {_how(name, recorded, found)}" for name in names]


def _how(name: str, recorded: object, found: object) -> str:
    assert isinstance(recorded, dict) and isinstance(found, dict)
    if name not in found:
        return "is missing"
    return "changed" if name in recorded else "was added"

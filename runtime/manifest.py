"""The manifest of a run: everything needed to make the same bytes again and to know that they are the same.

`Manifest` is a record for people and tools; `semantic_digest` is the part of it that two runs must share.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, structs

from fusec.compiler.files import UsedFile
from fusec.compiler.packages import PackagePin
from fusec.compiler.reads.planned import PlannedReads
from fusec.lang.codes.fuse505_newer_format import NewerFormat
from fusec.runtime.digest import FileEntry, bytes_digest
from fusec.runtime.durable import write_file
from fusec.runtime.kernel import Kind, RunError
from fusec.runtime.trouble import refused

FORMAT = 1
Grade = Literal["exact", "seeded", "external"]
Gate = Literal["open", "closed", "ignored"]
_LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "safetensors",
    "pyarrow",
    "numpy",
    "accelerate",
)


class NodeRecord(Struct, frozen=True, kw_only=True):
    """One step that was computed or reused.

    slots      every slot with its resolved value as plain data
    inputs     ids of the artifacts it read, in slot order
    root       content digest of the result folder, `files` are its files
    estimate   resource -> amount, or [low, likely, high]; bytes, seconds, FLOPs, tokens
    actual     resource -> amount: bytes_read, bytes_written, expert_bytes, tokens, flops, seconds,
               peak_memory (of the whole process while the step ran, resident bytes; only where the system
               tells), retries; empty when reused
    reads      what a merge under a budget read, with the hashes of those blocks, and how far its result is
               from that of a full read
    """

    name: str
    verb: str
    revision: int
    id: str
    kind: Kind
    grade: Grade
    slots: dict[str, Any]
    inputs: tuple[str, ...]
    root: str
    files: tuple[FileEntry, ...]
    state: Literal["computed", "reused"]
    seed: int | None = None
    estimate: dict[str, float | tuple[float, float, float]] = {}
    actual: dict[str, float] = {}
    reads: PlannedReads | None = None


class SourceRecord(Struct, frozen=True, kw_only=True):
    """What a source of the spec was pinned to. `at` is where it was found, `pin` its content."""

    name: str
    at: str
    pin: str


class CheckRecord(Struct, frozen=True, kw_only=True):
    """A `check` of the spec. `values` are the numbers its condition was decided on."""

    name: str
    passed: bool
    values: dict[str, Any] = {}


class OutputRecord(Struct, frozen=True, kw_only=True):
    """What an `output` published: `to` as the spec says it, the artifact's id, the root of what is there."""

    name: str
    to: str
    id: str
    root: str


class LimitRecord(Struct, frozen=True, kw_only=True):
    """A limit of the budget beside what the plan estimated and what the run used, all in `unit`."""

    name: str
    unit: str
    limit: float
    estimated: float
    used: float


class Environment(Struct, frozen=True, kw_only=True):
    """Where the run took place; no host name and no path."""

    python: str
    system: str
    machine: str
    libraries: dict[str, str]
    device: str
    threads: int


class Manifest(Struct, frozen=True, kw_only=True):
    """One run. Digests are sha256 in hex; `write_manifest` fills `semantic_digest`.

    spec_digest   of the text of the spec that was planned
    lock_digest   of a lock that holds exactly the pins of the plan's sources and packages
    plan_digest   the id of the plan: what the spec asks for, whatever its layout
    packages      whose code made results, by content
    spec_files    that the spec used, by content
    limits        of the budget, in the order of the spec
    gate    open: all checks passed; closed: one failed, nothing was published; ignored: published anyway
    """

    fusec: str
    run: str
    spec_digest: str
    lock_digest: str
    plan_digest: str
    params: dict[str, Any]
    nodes: tuple[NodeRecord, ...]
    sources: tuple[SourceRecord, ...]
    checks: tuple[CheckRecord, ...]
    outputs: tuple[OutputRecord, ...]
    grade: Grade
    gate: Gate
    started: float
    seconds: float
    environment: Environment
    packages: tuple[PackagePin, ...] = ()
    spec_files: tuple[UsedFile, ...] = ()
    limits: tuple[LimitRecord, ...] = ()
    format: int = FORMAT
    semantic_digest: str = ""


class Difference(NamedTuple):
    """One thing that two manifests do not share; None where a side does not have it."""

    where: Literal["node", "output", "check"]
    name: str
    field: str
    a: str | None
    b: str | None


def semantic_digest(manifest: Manifest) -> str:
    """The sha256, in hex, of what the run made and out of what: equal for two runs of one plan.

    Counts: the format; `plan_digest`; of each node, in order of ids, `id`, `verb`, `grade`, `seed`,
    `inputs`, `root` and `files`; the pins of the sources; the verdicts of the checks; id and root of the
    outputs; the grade and the gate.

    Does not count, and why:
    - `run`, `started`, `seconds`, `estimate`, `actual`, `limits`, `state`, `environment`: they differ between
      two good runs. Versions of libraries, of fusec and the device kind are in the manifest for the reader;
      if one of them matters, it shows in the bytes, and those count.
    - `spec_digest`, `spec_files`, `lock_digest`, all names and the order of nodes: a spec that was
      reformatted, commented or had a step renamed is the same work. `plan_digest` stands for what it says.
    - `values` of checks: they come out of reports, whose bytes count.
    - `slots`, `revision`, `params`: a node's `id` covers every slot that can change its bytes, with all
      defaults; the others hold places, targets and paths.
    - `at` of a source and `to` of an output: places.
    """
    meaning = {
        "format": manifest.format,
        "plan": manifest.plan_digest,
        "nodes": sorted(
            {
                node.id: (node.id, node.verb, node.grade, node.seed, node.inputs, node.root, node.files)
                for node in manifest.nodes
            }.items()
        ),
        "sources": sorted({source.pin for source in manifest.sources}),
        "checks": sorted(check.passed for check in manifest.checks),
        "outputs": sorted((output.id, output.root) for output in manifest.outputs),
        "grade": manifest.grade,
        "gate": manifest.gate,
    }
    return bytes_digest(msgspec.json.encode(meaning, order="deterministic"))


def write_manifest(path: Path, manifest: Manifest) -> Manifest:
    """Writes the manifest durably, with its semantic digest, and returns what was written.

    Write it last: a run whose manifest is there has published everything that the manifest names.
    """
    complete = structs.replace(manifest, semantic_digest=semantic_digest(manifest))
    encoded = msgspec.json.encode(complete, order="deterministic")
    write_file(path, msgspec.json.format(encoded, indent=1) + b"\n")
    return complete


def load_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises `RunError` when it is missing, damaged, altered or of a newer format."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"the manifest {path} cannot be read: {error.strerror}") from error
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found > FORMAT:
            raise refused(NewerFormat(f"the manifest {path}", found, FORMAT))
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is not a complete manifest: {error}") from error
    if semantic_digest(manifest) != manifest.semantic_digest:
        raise RunError(
            f"the manifest {path} was changed after it was written: its semantic digest does not fit",
            hint="take the manifest from the run's folder in the store",
        )
    return manifest


def compare(a: Manifest, b: Manifest) -> tuple[Difference, ...]:
    """What differs in the results of two runs: nodes, outputs and checks, by name, in order of `a`, then `b`.

    For a node with other content, the files that differ follow with their digests. Times, places and
    versions are not looked at; an empty answer means that everything made is the same.
    """
    return (
        *_differences("node", _by_name(a.nodes), _by_name(b.nodes), ("id", "root")),
        *_differences("output", _by_name(a.outputs), _by_name(b.outputs), ("id", "root")),
        *_differences("check", _by_name(a.checks), _by_name(b.checks), ("passed", "values")),
    )


def describe_environment(device: str, threads: int) -> Environment:
    """Where this process runs. Reads the versions of installed packages without importing them."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
        libraries=libraries,
        device=device,
        threads=threads,
    )


class _Format(Struct):
    format: int


def _by_name(records: tuple[Any, ...]) -> dict[str, Any]:
    return {record.name: record for record in records}


def _differences(
    where: Literal["node", "output", "check"], a: dict[str, Any], b: dict[str, Any], fields: tuple[str, ...]
) -> list[Difference]:
    found = []
    for name in [*a, *(name for name in b if name not in a)]:
        one, other = a.get(name), b.get(name)
        if one is None or other is None:
            first = fields[0]
            found.append(Difference(where, name, first, _text(one, first), _text(other, first)))
            continue
        for field in fields:
            if getattr(one, field) != getattr(other, field):
                found.append(Difference(where, name, field, _text(one, field), _text(other, field)))
        if where == "node" and one.root != other.root:
            ours, theirs = ({file.name: file.sha256 for file in node.files} for node in (one, other))
            names = sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
            found += [Difference(where, name, f"file {n}", ours.get(n), theirs.get(n)) for n in names]
    return found


def _text(record: Any, field: str) -> str | None:
    if record is None:
        return None
    value = getattr(record, field)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

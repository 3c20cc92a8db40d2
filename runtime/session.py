"""From a path to a plan: read, lock, check, plan. What the commands and the Python API stand on."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fusec.compiler.check import check
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.lock import BadLock, decode_lock, encode_lock, make_lock
from fusec.compiler.typed import Typed
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import parse
from fusec.lang.source import Source
from fusec.runtime.kernel import RunError
from fusec.runtime.sources.inspect import inspect

if TYPE_CHECKING:
    from fusec.compiler.plan import Plan

Digest = Callable[[Path], str]


@dataclass(frozen=True)
class Checked:
    """A spec after checking: everything known about it and everything said about it."""

    source: Source
    typed: Typed
    problems: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        return any(problem.level == "error" for problem in self.problems)


@dataclass
class Session:
    """One spec with its settings. Reads the lock when there is one, headers where there is none."""

    spec: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    store_root: Path | None = None
    download: bool = False

    def __post_init__(self) -> None:
        self._locked: dict[SourceRequest, SourceFacts] = self._read_lock()
        self._seen: dict[SourceRequest, SourceFacts | SourceProblem] = {}

    @property
    def base(self) -> Path:
        """The folder that relative paths of the spec start at."""
        return self.spec.resolve().parent

    @property
    def lock_path(self) -> Path:
        return self.spec.with_name(self.spec.name + ".lock")

    @property
    def store_path(self) -> Path:
        return self.store_root or self.base / ".fusec"

    # --- checking -------------------------------------------------------------------

    def facts(self, request: SourceRequest) -> SourceFacts | SourceProblem:
        """What the lock says, or else what the headers say; reads no tensor payload and no rows.

        Only with `download` may the network be asked for what is not in a cache.
        """
        found = self._locked.get(request) or self._seen.get(request)
        if found is None:
            found = self._seen[request] = inspect(request, base=self.base, download=self.download)
        return found

    def check(self) -> Checked:
        """Parse and type the spec. Raises `RunError` when the file cannot be read."""
        source = Source(str(self.spec), read_text(self.spec))
        typed = check(parse(source), self.facts, self.settings)
        return Checked(source, typed, typed.problems)

    # --- locking --------------------------------------------------------------------------

    def lock(
        self, checked: Checked, *, update: Container[str] | None = None, digest: Digest | None = None
    ) -> tuple[str, ...]:
        """Pin every source by content and write the lock; gives the names of sources newly pinned.

        `update` names sources to look at afresh (None: none, `ALL`: every one). Reads payload.
        """
        from fusec.runtime.durable import write_file
        from fusec.runtime.sources import pin
        from fusec.runtime.sources.reads import file_sha256

        entries: dict[SourceRequest, SourceFacts] = {}
        changed = []
        for name, request in checked.typed.sources.items():
            old = self._locked.get(request)
            facts: SourceFacts | SourceProblem = checked.typed.facts[name]
            if update is not None and name in update:
                facts = inspect(request, base=self.base, download=True)
            if not isinstance(facts, SourceProblem) and not facts.pinned_by_content:
                facts = pin(request, facts, base=self.base, digest=digest or file_sha256)
            if isinstance(facts, SourceProblem):
                raise RunError(f"`{name}` cannot be pinned: {facts.what}", hint=facts.hint)
            if facts != old:
                changed.append(name)
            entries[request] = facts
        data = encode_lock(make_lock(entries))
        if not self.lock_path.exists() or self.lock_path.read_bytes() != data:
            write_file(self.lock_path, data)
        self._locked = entries
        return tuple(changed)

    def _read_lock(self) -> dict[SourceRequest, SourceFacts]:
        if not self.lock_path.exists():
            return {}
        try:
            return decode_lock(self.lock_path.read_bytes()).facts()
        except BadLock as error:
            hint = "remove it and pin the sources again with `fusec lock`"
            raise RunError(f"{self.lock_path}: {error}", hint=hint) from None

    # --- planning ---------------------------------------------------------------------------

    def plan(
        self,
        checked: Checked,
        *,
        stored: Container[str] = (),
        only: tuple[str, ...] = (),
        without: Container[str] = (),
    ) -> Plan:
        """The plan of a spec without errors. `only` are names of nodes that replace its goals."""
        from fusec.compiler.ir import Ref
        from fusec.compiler.lower import lower
        from fusec.compiler.plan import make_plan
        from fusec.runtime.digest import bytes_digest

        refs: list[Ref] = []
        for name in only:
            matches = [n for n in checked.typed.steps if n == name or n.startswith(f"{name}[")]
            if not matches:
                known = ", ".join(checked.typed.steps)
                raise RunError(f"nothing in {self.spec} is called `{name}`", hint=f"there are {known}")
            refs.extend(Ref(match) for match in matches)
        graph = lower(checked.typed, refs)
        return make_plan(
            checked.typed,
            graph,
            spec=self.spec.name,
            spec_digest=bytes_digest(checked.source.text.encode()),
            stored=stored,
            without=without,
        )


class _All:
    """Holds everything: `update=ALL`."""

    def __contains__(self, item: object) -> bool:
        return True


ALL: Container[str] = _All()


def read_text(path: Path) -> str:
    """A spec's text. Raises `RunError` naming the file when it is missing or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        what = f"{path} is not UTF-8: byte {error.start} cannot be read"
        raise RunError(what, hint="save the spec as UTF-8") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="look at the path") from None


def unpinned(plan: Plan) -> tuple[str, ...]:
    """Sources of a plan that nobody has pinned by content yet."""
    return tuple(source.name for source in plan.sources if not source.facts.pinned_by_content)


def read_plan(path: Path) -> Plan:
    """A saved plan. Raises `RunError` when the file is missing, damaged or of a newer fusec."""
    from fusec.compiler.plan import NewerPlan, decode_plan

    try:
        return decode_plan(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="look at the path") from None
    except NewerPlan as error:
        raise RunError(f"FUSE505: {path}: {error}", hint="use the newer fusec that wrote it") from None
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is not a plan: {error}", hint="make one with `fusec plan -o`") from None

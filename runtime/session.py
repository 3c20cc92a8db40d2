"""From a path to a plan: read, lock, check, plan. What the commands and the Python API stand on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fusec.compiler.check import check
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.files import used_files
from fusec.compiler.lock import VERSION as LOCK_VERSION
from fusec.compiler.lock import BadLock, Lock, NewerLock, decode_lock, encode_lock, make_lock
from fusec.compiler.packages import Extension, PackageProblem
from fusec.compiler.typed import Typed
from fusec.lang.codes.fuse402_lock_stale import LockStale
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import Parsed, parse
from fusec.lang.source import Source
from fusec.lang.wording import listing
from fusec.runtime.kernel import RunError
from fusec.runtime.sources.inspect import inspect
from fusec.runtime.spec_files import SpecFiles

if TYPE_CHECKING:
    from fusec.compiler.measured import Measured
    from fusec.compiler.plan import Plan
    from fusec.compiler.reads.ladder import Ladder

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
    online: bool = True
    _ladders: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    _folders: dict[SourceRequest, Path] = field(default_factory=dict, init=False, repr=False)
    _measured: Measured | None = field(default=None, init=False, repr=False)
    _parsed: Parsed | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        lock = self._read_lock()
        self._locked: dict[SourceRequest, SourceFacts] = lock.facts()
        self._locked_packages = {pin.name: pin for pin in lock.packages}
        self._locked_files = {file.path: file for file in lock.spec_files}
        self._seen: dict[SourceRequest, SourceFacts | SourceProblem] = {}
        self.files = SpecFiles(self.spec)

    @property
    def base(self) -> Path:
        """The folder that relative paths of the spec start at."""
        return self.spec.resolve().parent

    @property
    def lock_path(self) -> Path:
        return self.spec.parent / f"{self.spec.name}.lock"

    @property
    def store_path(self) -> Path:
        return self.store_root or self.base / ".fusec"

    # --- checking -------------------------------------------------------------------

    def facts(self, request: SourceRequest) -> SourceFacts | SourceProblem:
        """What the lock says, or else what the headers say; reads no tensor payload and no rows.

        Only with `download` may the network be asked for what is not in a cache, and never without `online`.
        """
        found = self._locked.get(request) or self._seen.get(request)
        if found is None:
            found = self._seen[request] = inspect(
                request, base=self.base, download=self.download, online=self.online
            )
        return found

    def packages(self, name: str) -> Extension | PackageProblem:
        """The verbs of an installed package."""
        from fusec.runtime.extensions import installed

        return installed(name)

    def check(self, relock: Container[str] = ()) -> Checked:
        """Parse and type the spec. Raises `RunError` when the file cannot be read.

        A package that is installed otherwise than locked is an error, unless `relock` holds its name.
        """
        return self.check_text(read_text(self.spec), self.settings, relock)

    def check_text(self, text: str, settings: Mapping[str, str], relock: Container[str] = ()) -> Checked:
        """Type `text` as if it were the spec's, under `settings`."""
        if self._parsed is None or self._parsed.file.source.text != text:
            self._parsed = parse(Source(str(self.spec), text))
        source = self._parsed.file.source
        typed = check(self._parsed, self.facts, settings, self.packages, self.files)
        return Checked(source, typed, (*typed.problems, *self._stale_packages(typed, relock)))

    def _stale_packages(self, typed: Typed, relock: Container[str]) -> Iterator[Diagnostic]:
        for name, found in typed.packages.items():
            old, now = self._locked_packages.get(found.pin.name, found.pin), found.pin
            if old != now and name not in relock:
                what = f"{now.short} is installed, the lock holds {old.short}"
                yield LockStale(name=name, at=found.at, what=what)

    def not_pinned(self, checked: Checked) -> tuple[Diagnostic, ...]:
        """One FUSE403 for each source that nothing holds to what it is today."""
        from fusec.lang.codes.fuse403_not_pinned import NotPinned

        missing = "not in the lock" if self._locked else "there is no lock"
        return tuple(
            NotPinned(name=name, at=checked.typed.steps[name].at, what=missing)
            for name, facts in checked.typed.facts.items()
            if not facts.pinned_by_content and name in checked.typed.steps
        )

    def unlocked(self, checked: Checked) -> tuple[str, ...]:
        """The packages that the lock does not hold as they are installed, and used files as they are now."""
        found = checked.typed.packages.items()
        packages = (name for name, p in found if self._locked_packages.get(p.pin.name) != p.pin)
        files = (f.path for f in used_files(checked.typed.files) if self._locked_files.get(f.path) != f)
        return (*packages, *files)

    # --- locking --------------------------------------------------------------------------

    def lock(
        self, checked: Checked, *, update: Container[str] | None = None, digest: Digest | None = None
    ) -> tuple[str, ...]:
        """Pin every source and package by content and write the lock; gives the names newly pinned.

        `update` names sources to look at afresh (None: none, `ALL`: every one). Reads payload.
        """
        from concurrent.futures import ThreadPoolExecutor

        from fusec.runtime.durable import write_file
        from fusec.runtime.sources import pin
        from fusec.runtime.sources.reads import file_sha256

        def look(source: tuple[str, SourceRequest]) -> SourceFacts | SourceProblem:
            name, request = source
            facts: SourceFacts | SourceProblem = checked.typed.facts[name]
            if update is not None and name in update:
                facts = inspect(request, base=self.base, download=True)
            if isinstance(facts, SourceProblem) or facts.pinned_by_content:
                return facts
            return pin(request, facts, base=self.base, digest=digest or file_sha256)

        entries: dict[SourceRequest, SourceFacts] = {}
        changed = []
        # Hashing lets other threads run, and is most of the time.
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(look, checked.typed.sources.items()))
        for (name, request), facts in zip(checked.typed.sources.items(), found, strict=True):
            old = self._locked.get(request)
            if isinstance(facts, SourceProblem):
                raise RunError(f"`{name}` cannot be pinned: {facts.what}", hint=facts.hint)
            if facts != old:
                changed.append(name)
            entries[request] = facts
        changed += self.unlocked(checked)
        pins = {package.pin.name: package.pin for package in checked.typed.packages.values()}
        files = used_files(checked.typed.files)
        data = encode_lock(make_lock(entries, pins.values(), files))
        if not self.lock_path.exists() or self.lock_path.read_bytes() != data:
            write_file(self.lock_path, data)
        self._locked, self._locked_packages = entries, pins
        self._locked_files = {file.path: file for file in files}
        return tuple(changed)

    def _read_lock(self) -> Lock:
        if not self.lock_path.exists():
            return Lock()
        try:
            return decode_lock(self.lock_path.read_bytes())
        except NewerLock as error:
            from fusec.lang.codes.fuse505_newer_format import NewerFormat
            from fusec.runtime.trouble import refused

            raise refused(NewerFormat(f"the lock {self.lock_path}", error.version, LOCK_VERSION)) from None
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
        added: Container[str] = (),
        target: str | None = None,
        draft: bool = False,
        after: str | None = None,
    ) -> Plan:
        """The plan of a spec without errors. `only` are names of nodes that replace its goals.

        `target` names a target of the spec to plan for; without one the plan is for this machine. A `draft`
        costs what the plan costs and is planned in less time; it cannot be run. `without`, `added` and
        `after` are passes of the optimizer, as of `make_plan`.
        """
        from fusec import __version__
        from fusec.compiler.addresses import results_at
        from fusec.compiler.ir import Ref
        from fusec.compiler.lower import lower
        from fusec.compiler.plan import make_plan
        from fusec.compiler.reads.limits import has_budget
        from fusec.runtime.digest import bytes_digest

        refs: list[Ref] = []
        for name in only:
            found = results_at(checked.typed, name)
            if not found:
                known = listing(checked.typed.steps)
                raise RunError(f"nothing in {self.spec} is called `{name}`", hint=f"there are {known}")
            refs.extend(found)
        graph = lower(checked.typed, refs)
        planner = None
        shared = any(limit.name == "expert_reads" for limit in checked.typed.limits)
        if any(has_budget(node) or (shared and node.verb == "merge") for node in graph.nodes.values()):
            from fusec.runtime.reading_ahead import planner_before_the_run

            typed, kept = checked.typed, (self._ladders, self._folders)
            planner = planner_before_the_run(typed, graph, self.base, self.store_path, *kept, draft=draft)
        if self._measured is None:
            from fusec.runtime.cost_history import measured

            self._measured = measured(self.store_path)
        return make_plan(
            checked.typed,
            graph,
            spec=self.spec.name,
            spec_digest=bytes_digest(checked.source.text.encode()),
            fusec=__version__,
            stored=stored,
            without=without,
            added=added,
            after=after,
            target=None if target is None else checked.typed.targets[target],
            planner=planner,
            measured=self._measured,
        )

    def ladders(self, checked: Checked, plan: Plan) -> dict[str, Ladder]:
        """By name, what each merge that will run could read for other budgets, where its plan knows it."""
        from fusec.runtime.reading import ReadPlans
        from fusec.runtime.reading_ahead import planner_before_the_run

        names = [task.name for task in plan.tasks if task.reads is not None]
        if not names:
            return {}
        graph, found = plan.graph(), {}
        kept = self._ladders, self._folders
        planner = planner_before_the_run(checked.typed, graph, self.base, self.store_path, *kept)
        assert isinstance(planner, ReadPlans), "reads are planned by a catalog"
        for name in names:
            ladder = planner.ladder(graph.nodes[name])
            if ladder is not None:
                found[name] = ladder
        return found


def stored_ids(store: Path) -> frozenset[str]:
    """The results in a store, by its folders; none where there is no store yet."""
    return frozenset(path.name for path in store.glob("objects/*/*"))


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
    from fusec.compiler.plan import VERSION, NewerPlan, decode_plan
    from fusec.lang.codes.fuse505_newer_format import NewerFormat
    from fusec.runtime.trouble import refused

    try:
        return decode_plan(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="look at the path") from None
    except NewerPlan as error:
        raise refused(NewerFormat(f"the plan {path}", error.version, VERSION)) from None
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is not a plan: {error}", hint="make one with `fusec plan -o`") from None

"""What happens during a run, as data: one stream for the terminal, the log file and tools."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from fusec.runtime.kernel import Emit, RunError


class Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=True):
    """`at` is in seconds since the epoch. `task` is everywhere the name that a node has in the spec."""

    at: float = field(default_factory=time.time)


class RunStarted(Event, frozen=True):
    run: str
    spec: str
    plan: str
    tasks: int


class TaskStarted(Event, frozen=True):
    task: str
    verb: str
    id: str


class TaskWaiting(Event, frozen=True):
    """Another process makes the same result; `pid` is 0 when it cannot be told which."""

    task: str
    pid: int


class Progress(Event, frozen=True):
    task: str
    done: float
    total: float | None = None
    unit: str = ""


class Note(Event, frozen=True):
    """What a kernel tells besides progress, for instance `kind="loss"`, `fields={"step": 3, "loss": 1.2}`."""

    task: str
    kind: str
    fields: dict[str, Any]


class TaskFinished(Event, frozen=True):
    """`meter` holds the amounts of `kernel.Meter` by name; empty for a reused result."""

    task: str
    id: str
    state: Literal["computed", "reused"]
    seconds: float
    meter: dict[str, float] = {}


class TaskFailed(Event, frozen=True):
    task: str
    what: str
    hint: str = ""


class TaskRetried(Event, frozen=True):
    """A task failed and is tried again; `attempt` is the number of the try that begins now."""

    task: str
    attempt: int
    what: str


class CheckDone(Event, frozen=True):
    """`values` are the scores that the condition was decided on."""

    name: str
    passed: bool
    values: dict[str, float] = {}


class OutputPublished(Event, frozen=True):
    name: str
    to: str
    root: str
    state: Literal["written", "replaced", "unchanged"]


class RunFinished(Event, frozen=True):
    """`state`: done; a task failed; a check closed the gate; cancelled. No manifest unless done or closed."""

    run: str
    state: Literal["done", "failed", "closed", "interrupted"]
    seconds: float
    manifest: str | None = None


AnyEvent = (
    RunStarted
    | TaskStarted
    | TaskWaiting
    | Progress
    | Note
    | TaskFinished
    | TaskFailed
    | TaskRetried
    | CheckDone
    | OutputPublished
    | RunFinished
)
Listener = Callable[[AnyEvent], None]

_decoder = msgspec.json.Decoder(AnyEvent)


class EventLog:
    """Appends events to a file as JSON lines, and hands each to the listeners in turn.

    Safe to call from any thread; listeners see the events in the order of the file. Raises `RunError` when
    the file cannot be written.
    """

    def __init__(self, path: Path, listeners: Iterable[Listener] = ()) -> None:
        self._path, self._listeners = path, tuple(listeners)
        self._lock = threading.Lock()
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  (lives as long as the log)
        _drop_torn_line(path)

    def __call__(self, event: AnyEvent) -> None:
        with self._lock:
            try:
                self._file.write(msgspec.json.encode(event) + b"\n")
            except OSError as error:
                raise RunError(f"{self._path} cannot be written: {error.strerror}") from error
            for listener in self._listeners:
                listener(event)

    def close(self) -> None:
        """Makes the file durable."""
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def task(self, task: str) -> Emit:
        """The `emit` of one task's kernel: "progress" becomes `Progress`, every other kind a `Note`."""

        def emit(kind: str, /, **fields: Any) -> None:
            if kind == "progress":
                self(Progress(task=task, **fields))
            else:
                self(Note(task=task, kind=kind, fields=fields))

        return emit


def read_events(path: Path) -> tuple[AnyEvent, ...]:
    """The events of a log, finished or not; a last line that its writer did not complete is left out.

    Raises `RunError` with the line for anything else that is not an event.
    """
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(_decoder.decode(line))
        except msgspec.DecodeError as error:
            raise RunError(
                f"{path} line {number} is not an event: {error}",
                hint="the file is damaged, or a newer fusec wrote it",
            ) from error
    return tuple(events)


def _drop_torn_line(path: Path) -> None:
    data = path.read_bytes()
    os.truncate(path, data.rfind(b"\n") + 1)

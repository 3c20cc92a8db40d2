"""Events of a run as single lines, for logs and pipes."""

from __future__ import annotations

import sys

from fusec.cli import terminal
from fusec.cli.amounts import size_text, time_text
from fusec.lang.units import grouped
from fusec.runtime.events import (
    AnyEvent,
    CheckDone,
    Note,
    OutputPublished,
    Progress,
    RunStarted,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskStarted,
    TaskWaiting,
)

SECONDS_BETWEEN_PROGRESS = 10.0


class Lines:
    """A listener that prints one line per event; progress of a task at most every ten seconds."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._loss: dict[str, str] = {}

    def __call__(self, event: AnyEvent) -> None:
        if isinstance(event, TaskStarted):
            self._said[event.task] = event.at
        if isinstance(event, Progress):
            if event.at - self._said.get(event.task, 0.0) < SECONDS_BETWEEN_PROGRESS:
                return
            self._said[event.task] = event.at
        if isinstance(event, Note):
            self._loss[event.task] = loss_text(event)
        line = event_line(event)
        if isinstance(event, Progress):
            line += self._loss.get(event.task, "")
        if line:
            terminal.note(line)


def event_line(event: AnyEvent) -> str:
    """What an event says, empty for those that people need not see."""
    match event:
        case RunStarted():
            return _line("run", event.run)
        case TaskStarted():
            return _line("start", f"{event.task} ({event.verb})")
        case TaskWaiting():
            by = f"process {event.pid}" if event.pid else "another process"
            return _line("wait", f"{event.task}: {by} makes the same result")
        case Progress():
            return _line("", f"{event.task}: {amount_text(event)}")
        case TaskFinished(state="reused"):
            return _line("reused", event.task)
        case TaskFinished():
            written = event.meter.get("bytes_written", 0.0)
            size = f", {size_text(written)} written" if written else ""
            return _line("done", f"{event.task}: {time_text(event.seconds)}{size}")
        case TaskFailed():
            return _line("failed", event.task)
        case TaskRetried():
            return _line("retry", f"{event.task}: attempt {event.attempt}, after {event.what}")
        case CheckDone():
            return _line("check", f"{terminal.verdict(event.passed, sys.stderr)} {event.name}")
        case OutputPublished():
            return _line("output", f"{event.name} -> {event.to} ({event.state})")
    return ""


def loss_text(event: Note) -> str:
    """What training says of itself, to stand behind its progress; empty for any other note."""
    return f", loss {event.fields['loss']:.4f}" if event.kind == "loss" else ""


def amount_text(event: Progress) -> str:
    """`120 of 200 steps`, `12 MB of 40 MB`."""
    if event.unit == "bytes":
        done, total, unit = size_text(event.done), size_text(event.total or 0), ""
    else:
        done, total, unit = grouped(event.done), grouped(event.total or 0), f" {event.unit}"
    return f"{done} of {total}{unit}" if event.total else f"{done}{unit}"


def _line(head: str, text: str) -> str:
    return f"  {head:<8}{text}"

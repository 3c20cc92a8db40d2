"""Progress of a run on a terminal: what runs now, how far it is, and what was finished above it."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from fusec.cli.amounts import size_text
from fusec.cli.event_lines import amount_text, event_line, loss_text
from fusec.lang.units import grouped
from fusec.runtime import events


class Live:
    """A listener with a live display on stderr; leave it before anything else is printed."""

    def __init__(self, console: Console | None = None) -> None:
        self.display = Progress(
            # Names hold brackets, `expert[code]`, that are no markup.
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[amount]}{task.fields[loss]}", markup=False),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._all: TaskID | None = None
        self._running: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Live:
        self.display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.display.stop()

    def __call__(self, event: events.AnyEvent) -> None:
        match event:
            case events.RunStarted():
                self._all = self.display.add_task(
                    "all tasks", total=event.tasks, amount=f"0 of {event.tasks}", loss="", rate=""
                )
            case events.TaskStarted():
                line = self.display.add_task(event.task, total=None, amount=event.verb, loss="", rate="")
                self._running[event.task] = line, event.at
                return
            case events.Progress():
                self._advance(event)
                return
            case events.Note():
                if event.task in self._running:
                    self.display.update(self._running[event.task][0], loss=loss_text(event))
                return
            case events.TaskFinished() | events.TaskFailed():
                self._end(event.task)
        text = event_line(event)
        if text:
            self.display.console.print(Text.from_ansi(text), highlight=False)

    def _advance(self, event: events.Progress) -> None:
        if event.task in self._running:
            line, started = self._running[event.task]
            rate = _rate(event, max(event.at - started, 1e-3))
            self.display.update(
                line, completed=event.done, total=event.total, amount=amount_text(event), rate=rate
            )

    def _end(self, task: str) -> None:
        if task in self._running:
            self.display.remove_task(self._running.pop(task)[0])
        if self._all is not None:
            self.display.advance(self._all)
            found = next(found for found in self.display.tasks if found.id == self._all)
            self.display.update(self._all, amount=f"{found.completed:.0f} of {found.total:.0f}")


def _rate(event: events.Progress, seconds: float) -> str:
    speed = event.done / seconds
    return f"{size_text(speed)}/s" if event.unit == "bytes" else f"{grouped(speed)} {event.unit}/s"

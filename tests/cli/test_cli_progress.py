"""How a run is followed: live on a terminal, by lines elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from fusec.cli.event_lines import Lines
from fusec.cli.live import Live
from fusec.runtime.events import AnyEvent, Note, Progress, RunStarted, TaskFinished, TaskStarted

EVENTS: tuple[AnyEvent, ...] = (
    RunStarted(run="r1", spec="a.fuse", plan="p", tasks=2, at=0.0),
    TaskFinished(task="base", id="b", state="reused", seconds=0.0, at=0.0),
    TaskStarted(task="expert[code]", verb="finetune", id="e", at=0.0),
    Note(task="expert[code]", kind="loss", fields={"step": 20, "loss": 1.25}, at=9.0),
    Progress(task="expert[code]", done=10, total=40, unit="steps", at=9.0),
    Progress(task="expert[code]", done=20, total=40, unit="steps", at=10.0),
    Progress(task="expert[code]", done=30, total=40, unit="steps", at=11.0),
)
END = TaskFinished(
    task="expert[code]", id="e", state="computed", seconds=20.0, meter={"bytes_written": 2e6}, at=20.0
)


def test_lines_tell_each_event_once_and_progress_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    for event in (*EVENTS, END):
        lines(event)
    assert capsys.readouterr().err.splitlines() == [
        "  run     r1",
        "  reused  base",
        "  start   expert[code] (finetune)",
        "          expert[code]: 20 of 40 steps, loss 1.2500",
        "  done    expert[code]: 20 s, 2 MB written",
    ]


def test_a_terminal_shows_what_runs_and_keeps_what_is_done() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=120, no_color=True)
    with Live(console) as live:
        for event in EVENTS:
            live(event)
        console.print(live.display)
        live(END)
    shown = screen.getvalue()
    assert "1 of 2" in shown
    assert "expert[code]" in shown and "30 of 40 steps, loss 1.2500" in shown
    assert "2.727 steps/s" in shown
    assert "done    expert[code]: 20 s, 2 MB written" in shown

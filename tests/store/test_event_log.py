"""Events are one line each, in order, and survive a writer that dies."""

import threading

import pytest

from fusec.runtime.events import (
    CheckDone,
    EventLog,
    Note,
    OutputPublished,
    Progress,
    RunFinished,
    RunStarted,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskStarted,
    TaskWaiting,
    read_events,
)
from fusec.runtime.kernel import RunError

EVERY = (
    RunStarted(run="r1", spec="a.fuse", plan="p", tasks=2),
    TaskWaiting(task="base", pid=12),
    TaskStarted(task="base", verb="init", id="n1"),
    Progress(task="base", done=3, total=10, unit="steps"),
    Note(task="base", kind="loss", fields={"loss": 1.5}),
    TaskFinished(task="base", id="n1", state="computed", seconds=1.5, meter={"bytes_read": 5}),
    TaskRetried(task="m", attempt=2, what="no"),
    TaskFailed(task="m", what="no", hint="try"),
    CheckDone(name="m < base", passed=True, values={"m.loss": 0.5}),
    OutputPublished(name="m", to="./models/m", root="abc", state="written"),
    RunFinished(run="r1", state="done", seconds=2.0, manifest="manifest.json"),
)


def test_every_event_reads_back_and_reaches_the_listeners(tmp_path):
    heard = []
    with EventLog(tmp_path / "e.jsonl", [heard.append]) as log:
        for event in EVERY:
            log(event)
        assert read_events(tmp_path / "e.jsonl") == EVERY  # readable while it is written
    assert tuple(heard) == EVERY


def test_a_kernel_speaks_through_its_task(tmp_path):
    with EventLog(tmp_path / "e.jsonl") as log:
        emit = log.task("base")
        emit("progress", done=1, total=2, unit="rows")
        emit("loss", step=1, loss=0.5)
    progress, note = read_events(tmp_path / "e.jsonl")
    assert (progress.task, progress.done, progress.total, progress.unit) == ("base", 1, 2, "rows")
    assert (note.task, note.kind, note.fields) == ("base", "loss", {"step": 1, "loss": 0.5})


def test_a_log_cut_anywhere_gives_the_complete_lines(tmp_path):
    path = tmp_path / "e.jsonl"
    with EventLog(path) as log:
        for event in EVERY[:3]:
            log(event)
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        assert read_events(path) == EVERY[: data[:cut].count(b"\n")]


def test_appending_after_a_torn_line_drops_it(tmp_path):
    path = tmp_path / "e.jsonl"
    with EventLog(path) as log:
        log(EVERY[0])
    path.write_bytes(path.read_bytes() + b'{"event":"Prog')
    with EventLog(path) as log:
        log(EVERY[1])
    assert read_events(path) == EVERY[:2]


def test_a_damaged_line_inside_is_named(tmp_path):
    (tmp_path / "e.jsonl").write_text('{"event":"Unheard"}\n')
    with pytest.raises(RunError, match=r"e\.jsonl line 1 is not an event"):
        read_events(tmp_path / "e.jsonl")
    with pytest.raises(RunError, match="cannot be read"):
        read_events(tmp_path / "nothing")


def test_threads_do_not_mix_lines(tmp_path):
    with EventLog(tmp_path / "e.jsonl") as log:
        emits = [log.task(f"t{n}") for n in range(4)]
        threads = [
            threading.Thread(target=lambda emit=emit: [emit("progress", done=n) for n in range(50)])
            for emit in emits
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read_events(tmp_path / "e.jsonl")
    for number in range(4):
        assert [event.done for event in events if event.task == f"t{number}"] == list(range(50))

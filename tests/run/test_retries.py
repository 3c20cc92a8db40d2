"""retries: a task that the machine refused is tried again, one whose work is wrong is not."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from fusec.compiler.plan import Plan
from fusec.runtime.events import TaskFailed, TaskRetried
from fusec.runtime.executors.local import run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels import describe
from fusec.runtime.preparing import prepare
from fusec.runtime.session import Session
from fusec.runtime.store import Store

SPEC = """edition 2026
data rows from "rows.jsonl"
report profile = describe { data: rows, retries: 2 }
output profile to "./profile.json"
"""


class Failing:
    """A kernel that leaves half a result behind and fails so many times before it works."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error, self.run = times, error, describe.run

    def __call__(self, inputs: Any, slots: Any, ctx: Any) -> None:
        assert not list(ctx.out.iterdir()), "every attempt begins with an empty folder"
        ctx.meter.bytes_read += 7
        if self.left:
            self.left -= 1
            (ctx.out / "half").write_text("half")
            raise self.error
        self.run(inputs, slots, ctx)


@pytest.fixture
def project(tmp_path: Path) -> tuple[Plan, Store]:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": "a"}) + "\n")
    (tmp_path / "spec.fuse").write_text(SPEC)
    session = Session(tmp_path / "spec.fuse")
    store = Store(session.store_path)
    return prepare(session, session.check(), store).plan, store


def test_a_refusal_is_tried_again_and_counted(
    project: tuple[Plan, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = project
    monkeypatch.setattr(describe, "run", Failing(2, OSError(errno.EIO, "input/output error")))
    heard: list[Any] = []
    ran = run_plan(plan, store, tmp_path, Options(listeners=(heard.append,)))
    record = next(node for node in ran.manifest.nodes if node.name == "profile")
    assert record.actual["retries"] == 2
    assert record.actual["bytes_read"] >= 3 * 7
    assert [event.attempt for event in heard if isinstance(event, TaskRetried)] == [2, 3]
    assert not any(isinstance(event, TaskFailed) for event in heard)
    assert {file.name for file in record.files} == {"report.json"}


@pytest.mark.parametrize(
    ("times", "error", "retried"),
    [
        (3, OSError(errno.EIO, "input/output error"), 2),
        (1, FileNotFoundError(errno.ENOENT, "no such file"), 0),
        (1, RunError("row 3 has no text"), 0),
    ],
)
def test_what_stays_wrong_fails(
    project: tuple[Plan, Store],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    error: Exception,
    retried: int,
) -> None:
    plan, store = project
    monkeypatch.setattr(describe, "run", Failing(times, error))
    heard: list[Any] = []
    with pytest.raises(RunError):
        run_plan(plan, store, tmp_path, Options(listeners=(heard.append,)))
    assert sum(isinstance(event, TaskRetried) for event in heard) == retried
    assert not (tmp_path / "profile.json").exists()

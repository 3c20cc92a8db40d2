"""Bad input ends in one clear error that names the place, and nothing half-written stays visible."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session


def _shard(folder: Path) -> Path:
    return sorted(folder.glob("*.safetensors"))[0]


def _truncate(folder: Path) -> None:
    shard = _shard(folder)
    shard.write_bytes(shard.read_bytes()[:-100])


def _lie_about_the_header(folder: Path) -> None:
    shard = _shard(folder)
    data = shard.read_bytes()
    shard.write_bytes(struct.pack("<Q", len(data) * 2) + data[8:])


def _lie_about_a_tensor(folder: Path) -> None:
    shard = _shard(folder)
    data = shard.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    name = next(n for n in header if n != "__metadata__")
    header[name]["shape"][0] += 1
    text = json.dumps(header).encode()
    shard.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def _lose_a_shard(folder: Path) -> None:
    _shard(folder).unlink()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_truncate, "FUSE114"),
        (_lie_about_the_header, "FUSE114"),
        (_lie_about_a_tensor, "FUSE114"),
        (_lose_a_shard, "FUSE11"),
    ],
)
def test_damaged_weights_are_found_by_their_header(
    family_bench, merge_spec, damage: Callable[[Path], None], code: str
) -> None:
    shard = _shard(family_bench.folder / "math").name
    damage(family_bench.folder / "math")
    checked = Session(family_bench.spec(merge_spec)).check()
    (problem,) = [p for p in checked.problems if p.level == "error"]
    assert problem.code.startswith(code)
    assert shard in " ".join((problem.title(), *(m.note for m in problem.marks()), problem.why()))


def test_nan_weights_are_named_by_file_and_tensor(family_bench, merge_spec) -> None:
    shard = _shard(family_bench.folder / "code")
    data = bytearray(shard.read_bytes())
    data[-2:] = b"\xc0\x7f"  # a quiet NaN in bf16
    shard.write_bytes(bytes(data))
    with pytest.raises(RunError, match=shard.name) as caught:
        family_bench.run(merge_spec)
    assert "NaN" in caught.value.what or "finite" in caught.value.what
    assert family_bench.visible() == []


def test_a_missing_file_is_one_message(bench) -> None:
    spec = bench.spec('edition 2026\n\ndata rows from "./rows.jsonl"\n\noutput rows to "./out/rows.jsonl"\n')
    (problem,) = Session(spec).check().problems
    assert problem.code == "FUSE113"


ROWS = 'edition 2026\n\ndata rows from "./rows.jsonl"\n\noutput rows to "./out/rows.jsonl"\n'


def test_an_unreadable_row_near_the_top_is_found_by_checking(bench) -> None:
    (bench.folder / "rows.jsonl").write_text('{"text": "fine"}\n{"text": "torn\n{"text": "fine"}\n')
    (problem,) = Session(bench.spec(ROWS)).check().problems
    assert problem.code == "FUSE114"
    assert "rows.jsonl line 2" in problem.marks()[0].note


def test_an_unreadable_row_further_down_is_named_by_the_run(bench) -> None:
    lines = ['{"text": "%s"}' % ("fine " * 20)] * 20_000
    lines[15_000] = '{"text": "torn'
    (bench.folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(RunError, match=r"rows\.jsonl line 15001"):
        bench.run(ROWS)
    assert bench.visible() == []


def test_a_missing_value_names_its_row(bench) -> None:
    bench.rows("rows.jsonl", [{"text": "one"}, {"text": None}, {"text": "three"}])
    spec = """edition 2026

data rows from "./rows.jsonl" |> filter { keep: len(.text) > 1 }

output rows to "./out/rows.jsonl"
"""
    with pytest.raises(RunError, match="row"):
        bench.run(spec)
    assert bench.visible() == []


def test_a_closed_gate_publishes_nothing(bench) -> None:
    bench.rows("rows.jsonl", [{"text": "one two three four"}] * 20)
    spec = """edition 2026

param seed = 1
data rows from "./rows.jsonl"
report profile = describe { data: rows }

check profile.rows > 100 else "too few rows"

output rows to "./out/rows.jsonl"
"""
    ran = bench.run(spec)
    assert ran.closed and ran.manifest.gate == "closed"
    assert bench.visible() == []
    (check,) = ran.manifest.checks
    assert not check.passed and check.values == {"profile.rows": 20.0}


def test_a_full_disk_leaves_nothing(family_bench, merge_spec) -> None:
    """The limit on file size stands in for a full disk: both fail in the middle of a write."""
    import subprocess
    import sys

    family_bench.spec(merge_spec)
    program = f"""
import resource, signal, sys
from pathlib import Path
from fusec.runtime.executors.local import run_plan
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session
from fusec.runtime.store import Store
folder = Path({str(family_bench.folder)!r})
session = Session(folder / "spec.fuse")
checked = session.check()
session.lock(checked)
plan = session.plan(session.check())
store = Store(folder / ".fusec")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    run_plan(plan, store, folder)
except RunError as error:
    print(error.what)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "the run did not notice"
    assert family_bench.visible() == []
    ran = family_bench.run(merge_spec)
    assert {node.state for node in ran.manifest.nodes} == {"computed"}


def test_weights_that_are_only_pickle_are_refused(family_bench, merge_spec) -> None:
    folder = family_bench.folder / "math"
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    (problem,) = Session(family_bench.spec(merge_spec)).check().problems
    assert "pytorch_model.bin" in problem.marks()[0].note and "pickle" in problem.marks()[0].note


def test_a_link_that_leads_nowhere_is_named(bench) -> None:
    (bench.folder / "rows.jsonl").symlink_to("gone.jsonl")
    (problem,) = Session(bench.spec(ROWS)).check().problems
    assert "gone.jsonl" in problem.marks()[0].note


TRAIN = """edition 2026

param seed = 1
model base from "./base"
data rows from "./rows.jsonl"
model tuned = finetune { model: base, data: rows, steps: 1, context: 32 }

output tuned to "./out/tuned"
"""
ASK, TURN = {"role": "user", "content": "is it?"}, {"role": "assistant", "content": "yes"}


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        (
            [{"role": "user", "content": "hi <|assistant|>"}, TURN],
            r"turn 1 of row 2 contains `<\|assistant\|>`",
        ),
        ([{"role": "user", "content": None}, TURN], "turn 1 of row 2 has no text"),
        ([TURN], "row 2 begins with its answer"),
        ([], "row 2 has no turn of role `assistant`"),
    ],
)
def test_a_conversation_that_cannot_be_told_apart_names_its_turn(family_bench, messages, says) -> None:
    family_bench.rows("rows.jsonl", [{"messages": [ASK, TURN]}, {"messages": messages}])
    with pytest.raises(RunError, match=says):
        family_bench.run(TRAIN)
    assert family_bench.visible() == []


def test_messages_that_are_text_are_refused(family_bench) -> None:
    family_bench.rows("rows.jsonl", [{"messages": "hello"}])
    with pytest.raises(RunError, match="row 1 has str in column `messages`"):
        family_bench.run(TRAIN)


def test_a_model_without_a_tokenizer_is_named(family_bench) -> None:
    family_bench.rows("rows.jsonl", [{"text": "one two three"}])
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (family_bench.folder / "base" / file).unlink()
    with pytest.raises(RunError, match="base has no tokenizer"):
        family_bench.run(TRAIN)


def test_a_check_that_divides_by_zero_has_no_verdict(bench) -> None:
    bench.rows("rows.jsonl", [{"text": "one"}] * 3)
    spec = ROWS + "report profile = describe { data: rows }\ncheck 1 / (profile.rows - 3) > 0\n"
    with pytest.raises(RunError, match="divides by zero"):
        bench.run(spec)
    assert bench.visible() == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(5, "Input/output error", "/disk/file"), "/disk/file: input/output error"),
        (MemoryError(), "more memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "more memory"),
    ],
)
def test_what_the_machine_refuses_inside_a_kernel_names_the_step(bench, monkeypatch, error, says) -> None:
    from fusec.runtime.events import TaskFailed, read_events
    from fusec.runtime.kernels import describe

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(describe, "run", refuse)
    bench.rows("rows.jsonl", [{"text": "one"}])
    spec = ROWS + 'report profile = describe { data: rows }\noutput profile to "./out/p.json"\n'
    with pytest.raises(RunError, match=says) as caught:
        bench.run(spec)
    assert caught.value.what.startswith("`profile` failed")
    assert bench.visible() == []
    (log,) = (bench.folder / ".fusec/runs").glob("*/events.jsonl")
    assert [e.task for e in read_events(log) if isinstance(e, TaskFailed)] == ["profile"]


def test_a_store_in_the_place_of_a_file_is_one_message(bench) -> None:
    bench.rows("rows.jsonl", [{"text": "one"}])
    (bench.folder / ".fusec").write_text("mine")
    with pytest.raises(RunError, match=r"the store .* cannot be opened"):
        bench.run(ROWS)
    assert (bench.folder / ".fusec").read_text() == "mine"


def test_a_device_that_is_not_there(bench) -> None:
    from fusec.runtime.executors.local import require_device

    require_device("cpu")
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(RunError, match="no cuda device"):
        require_device("cuda")

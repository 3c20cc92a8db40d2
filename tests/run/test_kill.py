"""Killing the process anywhere and running again ends in the same result."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

SPEC = """edition 2026

param seed = 5
data rows from "./rows.jsonl"
  |> filter { keep: len(.text) > 3 }
  |> derive { size: len(.text) }
  |> shuffle {}
  |> split { test: 20% }
report profile = describe { data: rows.train }

check profile.rows > 1

output rows.train to "./out/train.parquet"
output rows.test to "./out/test.jsonl"
output profile to "./out/profile.json"
"""

PROGRAM = """
import sys
from pathlib import Path
from fusec.runtime.executors.local import run_plan
from fusec.runtime.session import Session
from fusec.runtime.store import Store
folder = Path(sys.argv[1])
session = Session(folder / "spec.fuse")
plan = session.plan(session.check())
print("go", flush=True)
run_plan(plan, Store(folder / ".fusec"), folder)
"""


def test_any_moment(bench, listing) -> None:
    bench.rows("rows.jsonl", [{"text": f"row number {n}", "n": n} for n in range(3000)])
    quiet = bench.run(SPEC, store="quiet")
    wanted = listing(bench.folder / "out")
    moments = random.Random(11)
    killed = 0
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(bench.folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "go\n"
        time.sleep(moments.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        assert listing(bench.folder / "out") == wanted, "an output was seen half written"
    assert killed > 0
    after = bench.run(SPEC)
    assert after.manifest.semantic_digest == quiet.manifest.semantic_digest
    assert listing(bench.folder / "out") == wanted

"""Plans: free to make, the same everywhere, blind to names and layout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fusec.compiler.plan import decode_plan, encode_plan
from fusec.runtime.session import Session
from fusec.runtime.sources.reads import READS

QUICKSTART = Path(__file__).resolve().parents[2] / "specs/quickstart.fuse"


def test_planning_reads_no_tensor(family_bench, merge_spec) -> None:
    session = Session(family_bench.spec(merge_spec))
    before = READS.payload
    plan = session.plan(session.check())
    assert READS.payload == before
    assert plan.tasks


def test_a_plan_reads_back(family_bench, merge_spec) -> None:
    session = Session(family_bench.spec(merge_spec))
    plan = session.plan(session.check())
    assert decode_plan(encode_plan(plan)) == plan


def test_every_process_makes_the_same_bytes(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from fusec.compiler.plan import encode_plan
from fusec.runtime.session import Session
session = Session(Path({str(QUICKSTART)!r}))
sys.stdout.buffer.write(encode_plan(session.plan(session.check())))
"""
    plans = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(plans) == 1
    assert decode_plan(plans.pop()).tasks

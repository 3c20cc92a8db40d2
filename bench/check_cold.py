"""How long `fusec check` takes from cold: a new process each time, median of 10, against a bound of 300 ms.

    python bench/check_cold.py [SPEC]

The default spec is that of `fusec new`. Byte code is compiled before, as an installation does.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOUND = 0.300
RUNS = 10


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            spec = Path(sys.argv[1])
        else:
            from fusec.cli.starter import SPEC

            spec = Path(folder) / "main.fuse"
            spec.write_text(SPEC, encoding="utf-8")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        command = [sys.executable, "-c", "from fusec.cli.main import main; main()", "check", str(spec)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, cpu = zip(*(one(command) for _ in range(RUNS)), strict=True)
    median = statistics.median(wall)
    print(
        f"wall  median {median * 1000:.0f} ms, fastest {min(wall) * 1000:.0f} ms, bound {BOUND * 1000:.0f} ms"
    )
    print(f"cpu   median {statistics.median(cpu) * 1000:.0f} ms, fastest {min(cpu) * 1000:.0f} ms")
    return int(median >= BOUND)


def one(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one process."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


if __name__ == "__main__":
    sys.exit(main())

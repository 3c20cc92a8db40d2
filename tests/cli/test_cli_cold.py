"""`fusec check` from cold: what it imports, and how long it takes."""

import os
import subprocess
import sys
import time
from pathlib import Path

HEAVY = (
    "torch",
    "ray",
    "transformers",
    "tokenizers",
    "datasets",
    "safetensors",
    "pyarrow",
    "huggingface_hub",
    "networkx",
    "numpy",
    "rich",
    "jinja2",
    "sqlite3",
)
CHECK = "from fusec.cli.main import dispatch; import sys; code = dispatch(['check', 'curate.fuse'])"


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A new interpreter that may keep byte code, as an installed one does."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(cwd / "bytecode")
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True)


def test_a_check_imports_nothing_heavy(curate: Path, tmp_path: Path) -> None:
    done = python(f"{CHECK}; print(code, [name for name in {HEAVY} if name in sys.modules])", tmp_path)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_importing_fusec_imports_nothing_of_it(tmp_path: Path) -> None:
    done = python("import fusec, sys; print([m for m in sys.modules if m.startswith('fusec.')])", tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_check_is_quick_from_cold(curate: Path, tmp_path: Path) -> None:
    """The bound of 300 ms is for a quiet machine and in `bench/check_cold.py`; here it is processor time."""
    python(CHECK, tmp_path)
    seconds = []
    for _ in range(3):
        before, start = os.times(), time.perf_counter()
        python(CHECK, tmp_path)
        after, wall = os.times(), time.perf_counter() - start
        seconds.append(min(wall, after.children_user - before.children_user))
    assert min(seconds) < 1.0

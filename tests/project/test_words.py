"""What is written here speaks to a stranger: no path of one machine, no mark of unfinished work."""

import re
from pathlib import Path

import pytest

# Bracketed letters keep a pattern from matching its own line.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:[w]ork|[r]oot|[U]sers/\w+|[h]ome/\w+)/")
LEFTOVER = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK|[b]reakpoint\(\)|[p]db\.set_trace)\b")
STUB = re.compile(r"\b[N]otImplementedError\b|\b[p]ytest\.mark\.skip\(|\b[x]fail\b(?!_)")

# The base classes of diagnostics and of steps name what each of them must answer.

MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def texts(root: Path, repo_files: list[Path]) -> dict[Path, str]:
    """The content of every text file of the project."""
    found = {}
    for path in repo_files:
        if (root / path).is_file() and not (root / path).is_symlink():
            try:
                found[path] = (root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return found


def hits(pattern: re.Pattern[str], texts: dict[Path, str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_one_machine(texts: dict[Path, str]) -> None:
    assert hits(MACHINE_PATH, texts) == []


def test_no_file_is_left_unfinished(texts: dict[Path, str]) -> None:
    code = {path: text for path, text in texts.items() if path.suffix == ".py"}
    assert hits(LEFTOVER, texts) + hits(STUB, code) == []


def test_no_file_is_large(root: Path, repo_files: list[Path]) -> None:
    sizes = {path: (root / path).lstat().st_size for path in repo_files}
    assert {path: size for path, size in sizes.items() if size > MAX_BYTES} == {}


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATH, "data = '/" + "home/ada/models'"),
        (MACHINE_PATH, "cd /" + "root/x"),
        (LEFTOVER, "# TO" + "DO later"),
        (STUB, "raise NotImplemented" + "Error"),
    ],
)
def test_the_patterns_see_what_they_look_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)

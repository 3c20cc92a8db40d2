"""The notes in `notes/`: specs with the codes they must raise, on the line they must mark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from world import check_text

NOTES = Path(__file__).with_name("notes")
BLOCK = re.compile(r"```fuse\n(.*?)```", re.S)


def _cases() -> list[pytest.ParameterSet]:
    cases = []
    for note in sorted(NOTES.glob("*.md")):
        text, heading = note.read_text(), ""
        for block in BLOCK.finditer(text):
            above = re.findall(r"^#+ (.*)$", text[: block.start()], re.M)
            heading = above[-1] if above else ""
            line = text[: block.start()].count("\n") + 2
            cases.append(pytest.param(block[1], id=f"{note.stem}:{line}: {heading}"))
    return cases


@pytest.mark.parametrize("spec", _cases())
def test_note(spec: str) -> None:
    wanted = sorted(
        (number, code)
        for number, line in enumerate(spec.split("\n"), start=1)
        for code in re.findall(r"# error: (FUSE\d+)", line)
    )
    _, problems = check_text(spec)
    found = sorted((problem.marks()[0].span.position.line, problem.code) for problem in problems)
    assert found == wanted, [problem.title() for problem in problems]

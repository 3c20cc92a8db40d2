"""The notes in `notes/`: specs with the codes they must raise, on the line they must mark.

A block `fuse file=NAME` is no case of its own: it is a file that the specs below it may use.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from world import problems_of

NOTES = Path(__file__).with_name("notes")
BLOCK = re.compile(r"```fuse(?: file=(\S+))?\n(.*?)```", re.S)


def _cases() -> list[pytest.ParameterSet]:
    cases = []
    for note in sorted(NOTES.glob("*.md")):
        text, heading = note.read_text(), ""
        files: dict[str, str] = {}
        for block in BLOCK.finditer(text):
            if block[1]:
                files[block[1]] = block[2]
                continue
            above = re.findall(r"^#+ (.*)$", text[: block.start()], re.M)
            heading = above[-1] if above else ""
            line = text[: block.start()].count("\n") + 2
            cases.append(pytest.param(block[2], dict(files), id=f"{note.stem}:{line}: {heading}"))
    return cases


@pytest.mark.parametrize(("spec", "files"), _cases())
def test_note(spec: str, files: dict[str, str]) -> None:
    wanted = sorted(
        (name, number, code)
        for name, text in {"spec.fuse": spec, **files}.items()
        for number, line in enumerate(text.split("\n"), start=1)
        for code in re.findall(r"# error: (FUSE\d+)", line)
    )
    problems = problems_of(spec, files)
    marked = ((problem.marks()[0].span, problem.code) for problem in problems)
    found = sorted((at.source.name, at.position.line, code) for at, code in marked)
    assert found == wanted, [problem.title() for problem in problems]

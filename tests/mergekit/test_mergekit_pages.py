"""The configurations in the Markdown files beside this one."""

import re
from pathlib import Path

import pytest

from fusec.lang.parse import parse
from fusec.lang.render import render
from fusec.lang.source import Source

HERE = Path(__file__).parent
PAIR = re.compile(r"^## ([^\n]*)\n```yaml\n(.*?)^```\n```fuse\n(.*?)^```", re.M | re.S)
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)
MARKER = re.compile(r" *# (FUSE\d{3} at \d+(?:, FUSE\d{3} at \d+)*)$")

TRANSLATED = PAIR.findall((HERE / "translated.md").read_text())
REFUSED = BLOCK.findall((HERE / "refused.md").read_text())


@pytest.mark.parametrize(("text", "spec"), [pair[1:] for pair in TRANSLATED], ids=[p[0] for p in TRANSLATED])
def test_a_configuration_becomes_a_spec(text: str, spec: str, translated) -> None:
    made = translated(text)
    assert "\n".join(map(render, made.problems)) == ""
    assert made.spec == spec
    assert parse(Source("merge.fuse", made.spec)).problems == ()


def expected(text: str) -> tuple[str, set[tuple[str, int, int]]]:
    """The text without its markers, and the code, line and column of each message."""
    lines, wanted = [], set()
    for number, line in enumerate(text.split("\n"), start=1):
        if marker := MARKER.search(line):
            for part in marker[1].split(", "):
                code, _, column = part.split(" ")
                wanted.add((code, number, int(column)))
            line = line[: marker.start()]
        lines.append(line)
    return "\n".join(lines), wanted


@pytest.mark.parametrize("block", REFUSED)
def test_a_refusal_points_at_its_cause(block: str, translated) -> None:
    text, wanted = expected(block)
    made = translated(text)
    assert made.spec == ""
    messages = "\n".join(map(render, made.problems))
    places = [(p.code, *p.marks()[0].span.position) for p in made.problems]
    assert set(places) == wanted and len(places) == len(wanted), messages
    for problem in made.problems:
        assert problem.why() or problem.fixes()

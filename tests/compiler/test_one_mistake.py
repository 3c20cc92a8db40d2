"""One mistake gives one message: nothing is said twice, and a lost name is all that is said about it."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
from world import check_text, problems_of

from fusec.compiler.step import find_method
from fusec.lang.diagnostics import all_codes
from fusec.lang.parse import parse
from fusec.lang.render import render
from fusec.lang.source import Source

ROOT = Path(__file__).parents[2]
MISTAKES = ROOT / "tests/lang/mistakes.md"
BLOCK = re.compile(r"```fuse(?: fails)?\n(.*?)```", re.S)
TEXTS = {
    **{code: inspect.cleandoc(cls.__doc__ or "") for code, cls in all_codes().items()},
    **{path.stem: path.read_text() for path in sorted(Path(__file__).parent.glob("notes/*.md"))},
}
SPECS = {f"{name}:{i}": spec for name, text in TEXTS.items() for i, spec in enumerate(BLOCK.findall(text))}
SPECS |= {f"mistake:{i}": text for i, text in enumerate(BLOCK.findall(MISTAKES.read_text()))}
SPECS |= {path.stem: path.read_text() for path in sorted((ROOT / "specs").glob("*.fuse"))}


@pytest.mark.parametrize("name", SPECS)
def test_nothing_is_said_twice(name: str) -> None:
    problems = problems_of(SPECS[name])
    said = Counter(render(problem) for problem in problems)
    assert [text for text, times in said.items() if times > 1] == []
    places = Counter((p.code, p.title(), p.marks()[0].span.start) for p in problems)
    assert [place for place, times in places.items() if times > 1] == []


@pytest.mark.parametrize("name", SPECS)
def test_every_message_says_why_or_what_to_do(name: str) -> None:
    assert [p.title() for p in problems_of(SPECS[name]) if not p.why() and not p.fixes()] == []


def lost_names() -> list[tuple[str, str, str]]:
    """Every declaration of every spec without errors, renamed where it is declared and nowhere else."""
    found = []
    for where, spec in SPECS.items():
        if any(problem.level == "error" for problem in check_text(spec)[1]):
            continue
        for declaration in parse(Source(where, spec)).file.declarations:
            name = getattr(declaration, "name", None)
            if name is not None:
                _, start, end = name.span
                found.append((f"{where}/{name.id}", name.id, f"{spec[:start]}zzz{spec[end:]}"))
    return found


def test_a_lost_name_is_the_only_thing_told() -> None:
    """Each use is told at most once, and what is made from what is lost stays quiet.

    A name that is lost is unknown where it is used (FUSE101), or no word that stands there (FUSE107); a verb
    that took `param seed` lacks one (FUSE401); a standard word that it hid means what it did before.
    """
    told: Counter[int] = Counter()
    for where, name, spec in lost_names():
        errors = [problem for problem in check_text(spec)[1] if problem.level == "error"]
        causes = {(problem.code, getattr(problem, "name", "")) for problem in errors}
        if name == "seed":
            assert causes <= {("FUSE401", "")}, where
        elif find_method(name) is None:
            assert causes <= {("FUSE101", name)} or causes == {("FUSE107", name)}, (where, causes)
        places = [problem.marks()[0].span.start for problem in errors]
        assert len(places) == len(set(places)), where
        told[len(places)] += 1
    assert told[1] > 4 * sum(told[many] for many in told if many > 1), "most names are used once"

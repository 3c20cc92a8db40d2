"""Collects Markdown notes: each ```fuse block is a test, `# error: FUSE000` stands on the line to be marked.

A ```rendered block after it pins the messages word by word. Notes are checked by the parser, or by the
function `text -> diagnostics` named in their first line: `<!-- checked by package.module:function -->`.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import parse
from fusec.lang.render import in_order, render
from fusec.lang.source import Source

Check = Callable[[str], Iterable[Diagnostic]]

_CHECKED_BY = re.compile(r"<!-- checked by ([\w.]+):(\w+) -->")
_BLOCK = re.compile(r"^```(fuse|rendered)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"[ ]*# (?:error|warning|hint): (FUSE\d{3}(?:, FUSE\d{3})*)$", re.MULTILINE)


def parse_only(text: str) -> tuple[Diagnostic, ...]:
    return parse(Source("spec.fuse", text)).problems


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    return Notes.from_parent(parent, path=file_path) if file_path.suffix == ".md" else None


class Notes(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        text = self.path.read_text(encoding="utf-8")
        named = _CHECKED_BY.match(text)
        check: Check = getattr(importlib.import_module(named[1]), named[2]) if named else parse_only
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            title = section.partition("\n")[0]
            note: Note | None = None
            for i, block in enumerate(_BLOCK.finditer(section)):
                if block[1] == "fuse":
                    note = Note.from_parent(self, name=f"{title} ({i + 1})", spec=block[2], check=check)
                    yield note
                else:
                    assert note is not None, f"{title}: a rendered block needs a spec before it"
                    note.rendered = block[2]


class Note(pytest.Item):
    rendered: str | None = None

    def __init__(self, *, spec: str, check: Check, **rest: object) -> None:
        super().__init__(**rest)
        self.spec, self.check = spec, check

    def runtest(self) -> None:
        marked = set()
        for number, line in enumerate(self.spec.split("\n"), start=1):
            if found := _MARKER.search(line):
                marked |= {(number, code) for code in found[1].split(", ")}
        problems = in_order(self.check(_MARKER.sub("", self.spec)))
        if not any(code == "FUSE009" for _, code in marked):
            problems = [p for p in problems if p.code != "FUSE009"]
        found_at = {(p.marks()[0].span.position.line, p.code) for p in problems}
        messages = "\n".join(map(render, problems))
        if found_at != marked:
            pytest.fail(f"expected {sorted(marked)}, found {sorted(found_at)}\n\n{messages}", pytrace=False)
        if self.rendered is not None and messages != self.rendered:
            diff = difflib.unified_diff(
                self.rendered.split("\n"), messages.split("\n"), "pinned", "now", "", "", 9
            )
            pytest.fail("\n".join(diff), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        return (
            str(excinfo.value)
            if excinfo.errisinstance(pytest.fail.Exception)
            else super().repr_failure(excinfo)
        )


SPECS = sorted(Path(__file__).with_name("specs").glob("*.fuse"))


@pytest.fixture(params=SPECS, ids=lambda path: path.stem)
def spec(request: pytest.FixtureRequest) -> str:
    """The text of each spec in `specs/`, one at a time."""
    return str(request.param.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def specs() -> list[str]:
    """The texts of all specs in `specs/`."""
    return [path.read_text(encoding="utf-8") for path in SPECS]

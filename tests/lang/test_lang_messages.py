"""How messages are drawn, and that each page of `explain` shows its own mistake and the way out."""

from __future__ import annotations

import inspect
import re

import pytest

from fusec.lang.codes.fuse001_unclosed import Unclosed
from fusec.lang.codes.fuse006_unknown_unit import UnknownUnit
from fusec.lang.diagnostics import Diagnostic, Fix, Mark, all_codes
from fusec.lang.parse import parse
from fusec.lang.render import as_json, in_order, render
from fusec.lang.source import Source, Span

TEXT_CODES = [cls for code, cls in all_codes().items() if code.startswith("FUSE0")]
BLOCK = re.compile(r"^```fuse( fails)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("cls", TEXT_CODES, ids=lambda cls: cls.code)
def test_pages_show_the_mistake_and_its_mending(cls: type[Diagnostic]) -> None:
    page = inspect.cleandoc(cls.__doc__ or "")
    assert page.partition("\n")[0].endswith(".")
    blocks = BLOCK.findall(page)
    assert [fails for fails, _ in blocks] == [" fails", ""]
    codes = [{p.code for p in parse(Source("page.fuse", text)).problems} for _, text in blocks]
    assert codes == [{cls.code}, set()]


def test_there_are_ten() -> None:
    assert [cls.code for cls in TEXT_CODES] == [f"FUSE{n:03}" for n in range(1, 11)]


GENERALIST = Source(
    "generalist.fuse",
    "\n" * 8
    + "model generalist = merge {\n"
    + "  base: base\n"
    + "  experts: [math, code, law\n"
    + "  method: ties(density: 0.5)\n"
    + "  expert_reads: 24 GBs\n}\n",
)


def at(source: Source, text: str) -> Span:
    start = source.text.index(text)
    return Span(source, start, start + len(text))


def test_an_unclosed_bracket() -> None:
    end = GENERALIST.text.index("\n  method")
    found = Unclosed(at(GENERALIST, "["), at(GENERALIST, "method"), "this starts the next slot", end, "]")
    assert render(found) == (
        "error[FUSE001]: this `[` is never closed\n"
        "  --> generalist.fuse:11:12\n"
        "   |\n"
        "11 |   experts: [math, code, law\n"
        "   |            ^\n"
        "12 |   method: ties(density: 0.5)\n"
        "   |   ------ this starts the next slot\n"
        "   |\n"
        "  fix: add `]` at the end of line 11                                   [safe]\n"
    )


def test_an_unknown_unit_where_the_slot_is_known() -> None:
    found = UnknownUnit(at(GENERALIST, "GBs"), at(GENERALIST, "24"), "expert_reads", "Size")
    assert render(found) == (
        "error[FUSE006]: `GBs` is not a unit\n"
        "  --> generalist.fuse:13:20\n"
        "   |\n"
        "13 |   expert_reads: 24 GBs\n"
        "   |                    ^^^ close to `GB` (size) and `GB/s` (rate)\n"
        "   |\n"
        "  why: `expert_reads` is a Size\n"
        "  fix: write `24 GB`                                                   [safe]\n"
    )


class Sample(Diagnostic, code="FUSE998", level="warning"):
    """A message made of what a test gives it."""

    def __init__(self, *marks: Mark, fixes: tuple[Fix, ...] = (), see: str = "") -> None:
        self._marks, self._fixes, self._see = marks, fixes, see

    def title(self) -> str:
        return "sample"

    def marks(self) -> tuple[Mark, ...]:
        return self._marks

    def fixes(self) -> tuple[Fix, ...]:
        return self._fixes

    def see(self) -> str:
        return self._see


def test_several_lines_files_and_footers() -> None:
    one, two = Source("one.fuse", "a = b\n" * 12), Source("two.fuse", "c")
    found = Sample(
        Mark(Span(one, 4, 5), "first"),
        Mark(Span(one, 60, 61), "later"),
        Mark(Span(two, 0, 1), "elsewhere"),
        fixes=(Fix("do this,\nor that", grade="maybe"),),
        see="fusec explain",
    )
    assert render(found) == (
        "warning[FUSE998]: sample\n"
        "  --> one.fuse:1:5\n"
        "   |\n"
        " 1 | a = b\n"
        "   |     ^ first\n"
        "11 | a = b\n"
        "   | - later\n"
        "   |\n"
        "  ::: two.fuse:1:1\n"
        "   |\n"
        " 1 | c\n"
        "   | - elsewhere\n"
        "   |\n"
        "  fix: do this,\n"
        "       or that                                                         [maybe]\n"
        "  see: fusec explain\n"
    )


def test_tabs_and_wide_letters_keep_the_marks_in_place() -> None:
    source = Source("s", "\t日本 = x\x1b")
    assert render(Sample(Mark(at(source, "日本")))).split("\n")[3:5] == [
        "1 |     日本 = x\ufffd",
        "  |     ^^^^",
    ]
    assert render(Sample(Mark(at(source, "x")))).split("\n")[4] == "  |" + " " * 12 + "^"


def test_marks_over_several_lines_and_at_the_end() -> None:
    source = Source("s", "ab\ncd\n")
    assert render(Sample(Mark(Span(source, 1, 5)))).split("\n")[4] == "  |  ^"
    assert render(Sample(Mark(Span(source, 6, 6)))).split("\n")[1:5] == [" --> s:3:1", "  |", "3 |", "  | ^"]


def test_paint_adds_colour_and_nothing_else() -> None:
    found = Unclosed(at(GENERALIST, "["), None, "", 12, "]")
    painted = render(found, lambda role, text: f"<{role}>{text}</{role}>")
    assert "<primary>^</primary>" in painted and "<error>error[FUSE001]</error>" in painted
    assert re.sub(r"</?\w+>", "", painted) == render(found)


def test_plain_data() -> None:
    (found,) = parse(Source("s.fuse", "edition 2026\nlet a = [1\n")).problems
    assert as_json(found) == {
        "code": "FUSE001",
        "level": "error",
        "title": "this `[` is never closed",
        "spans": [
            {
                "file": "s.fuse",
                "start": {"line": 2, "column": 9},
                "end": {"line": 2, "column": 10},
                "note": "",
            }
        ],
        "tables": [],
        "why": "",
        "fixes": [
            {
                "say": "add `]` at the end of line 2",
                "grade": "safe",
                "edits": [
                    {
                        "file": "s.fuse",
                        "start": {"line": 2, "column": 11},
                        "end": {"line": 2, "column": 11},
                        "text": "]",
                    }
                ],
            }
        ],
        "see": "",
    }


def test_order_is_file_place_code() -> None:
    a, b = Source("a", "xx"), Source("b", "xx")
    found = [Sample(Mark(Span(s, i, i + 1))) for s, i in ((b, 0), (a, 1), (a, 0))]
    assert in_order(found) == [found[2], found[1], found[0]]

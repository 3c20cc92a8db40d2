"""Pages of `fusec explain FUSE...`: the failing spec fails with that code alone, the mended one is fine."""

from __future__ import annotations

import inspect
import re

import pytest
from world import problems_of

from fusec.lang.diagnostics import all_codes

FAILS, MENDED = re.compile(r"```fuse fails\n(.*?)```", re.S), re.compile(r"```fuse\n(.*?)```", re.S)
PAGES = {code: inspect.cleandoc(cls.__doc__ or "") for code, cls in all_codes().items()}


@pytest.mark.parametrize("code", [code for code, page in PAGES.items() if FAILS.search(page)])
def test_page(code: str) -> None:
    for spec in FAILS.findall(PAGES[code]):
        assert {problem.code for problem in problems_of(spec)} == {code}
    mended = MENDED.findall(PAGES[code])
    assert mended, "a page shows the way out"
    for spec in mended:
        assert [problem.title() for problem in problems_of(spec)] == []


def test_pages_without_specs_show_a_command() -> None:
    for code, page in PAGES.items():
        assert FAILS.search(page) or "```console" in page, code

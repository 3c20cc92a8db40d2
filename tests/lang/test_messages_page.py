"""The messages shown in the documentation are the ones that fusec gives."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_current() -> None:
    page = runpy.run_path(str(DOCS / "messages.py"))["page"]
    assert (DOCS / "messages.md").read_text(encoding="utf-8") == page()

"""The reference in `docs/` says what the declarations say."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_reference_is_current(root: Path) -> None:
    build = runpy.run_path(str(root / "docs/build.py"))
    for name, text in build["pages"]().items():
        written = (root / "docs/reference" / name).read_text(encoding="utf-8")
        assert written == text, f"docs/reference/{name} is stale: run `make docs`"

"""Every code that a sentence of the run begins with has a page: `fusec explain FUSE505`."""

import re
from pathlib import Path

from fusec.lang.diagnostics import all_codes

ROOT = Path(__file__).parents[2]


def test_codes_in_sentences_have_pages() -> None:
    spoken = {
        code
        for folder in ("runtime", "cli", "compiler")
        for path in (ROOT / folder).rglob("*.py")
        for code in re.findall(r"\"(FUSE\d+): ", path.read_text(encoding="utf-8"))
    }
    assert {"FUSE402", "FUSE403", "FUSE405"} <= spoken  # the others are built from the class of their page
    assert spoken - all_codes().keys() == set()

"""One token too many or too few: a message beside it, few messages in all, and never an exception.

All single-token edits of the specs in specs/; of the longer list in tests/lang/specs all deletions and every
16th insertion, as all of them take a minute: `python bench/recovery.py 1`.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import recovery

PARTS = 6
OWN = [path for path in recovery.SPECS if path.parent.name == "specs" and path.parent.parent == recovery.ROOT]
MORE = [path for path in recovery.SPECS if path not in OWN]


def holds(told: list[recovery.Told]) -> None:
    assert [(one.edit.say, one.fate) for one in told if one.failed] == []
    line, fine = recovery.row("", told)
    assert fine, line


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_edit_of_a_spec(path: Path, part: int) -> None:
    front = recovery.Front(path.read_text(encoding="utf-8"))
    holds([front.tell(edit) for edit in islice(recovery.edits(front.text), part, None, PARTS)])


@pytest.mark.parametrize("path", MORE, ids=lambda path: path.stem)
def test_edits_of_the_specs_of_the_language(path: Path) -> None:
    holds(recovery.tell_all(path, 16))


@pytest.mark.parametrize(
    "text, fits",
    [
        ("edition 2026\n\nlet a = [1, 2,]\n", True),
        ("edition 2026\n\nlet a = [1, 2,,]\n", False),
        ("edition 2026\n\nmodel a = merge { base: b }\n", True),
        ("edition 2026\n\nmodel a = merge { base: b } }\n", False),
        ("edition 2026\n\nlet a = 1 $\n", False),
    ],
)
def test_the_reference_knows_what_a_spec_is(text: str, fits: bool) -> None:
    assert recovery.is_spec(text) is fits

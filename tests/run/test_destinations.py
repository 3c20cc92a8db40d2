"""Outputs that would damage each other or the store are refused before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusec.runtime.kernel import RunError

SPEC = """edition 2026

param seed = 1
data rows from "./rows.jsonl"
data few = sample {{ data: rows, rows: 1 }}
report profile = describe {{ data: rows }}

output rows to "{rows}"
output few to "{few}"
output profile to "{profile}"
"""
GOOD = {"rows": "./out/rows.jsonl", "few": "./out/few.jsonl", "profile": "./out/profile.json"}


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ({"rows": "./out/rows", "few": "./link/rows/few.jsonl"}, "overwrite each other"),
        ({"few": "./link/rows.jsonl"}, "overwrite each other"),
        ({"rows": "./.fusec/objects/data/x.jsonl"}, "in the store"),
        ({"rows": "./.fusec"}, "in the store"),
        ({"rows": "."}, "in the store"),
        ({"rows": "~nobody-of-that-name/rows"}, "cannot go to ~nobody"),
        ({"profile": "./out/profile"}, r"a report is one \.json file"),
    ],
)
def test_refused_before_the_first_task(bench, places: dict[str, str], says: str) -> None:
    bench.rows("rows.jsonl", [{"text": "one"}, {"text": "two"}])
    (bench.folder / "link").symlink_to("out", target_is_directory=True)
    with pytest.raises(RunError, match=says):
        bench.run(SPEC.format(**GOOD | places))
    assert bench.visible() == []
    assert list((bench.folder / ".fusec/objects/data").iterdir()) == []


def test_a_folder_of_somebody_else_is_seen_before_the_first_task(bench) -> None:
    bench.rows("rows.jsonl", [{"text": "one"}, {"text": "two"}])
    mine = bench.folder / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="fusec did not write it"):
        bench.run(SPEC.format(**GOOD | {"few": "./mine"}))
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]
    assert list((bench.folder / ".fusec/objects/data").iterdir()) == []


def test_places_may_hold_spaces_letters_of_any_script_and_links(bench, tmp_path: Path, monkeypatch) -> None:
    bench.rows("rows.jsonl", [{"text": "one"}, {"text": "two"}])
    away = tmp_path / "elsewhere"
    away.mkdir()
    monkeypatch.chdir(away)
    bench.run(SPEC.format(**GOOD | {"rows": "./aus gabe/zeilen ä.jsonl", "few": "../few.jsonl"}))
    assert (bench.folder / "aus gabe/zeilen ä.jsonl").read_text() == '{"text":"one"}\n{"text":"two"}\n'
    assert (bench.folder.parent / "few.jsonl").exists()
    assert list(away.iterdir()) == []

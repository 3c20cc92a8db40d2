"""Sources that changed behind a lock: a run says so, also when every result it needs is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

import fusec
from fusec.cli.main import dispatch

SPEC = """edition 2026

data rows from "./rows.jsonl" |> filter { keep: len(.text) > 1 }

output rows to "./out.jsonl"
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.fuse"
    path.write_text(SPEC)
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    fusec.compile(path).run()
    return path


def test_an_edited_source_is_not_passed_over(spec: Path) -> None:
    spec.with_name("rows.jsonl").write_text('{"text": "ore"}\n{"text": "two"}\n')  # as long as before
    with pytest.raises(fusec.RunError, match=r"FUSE402: rows.jsonl of `./rows.jsonl` changed"):
        fusec.compile(spec).run()
    assert dispatch(["lock", str(spec), "--update"]) == 0
    fusec.compile(spec).run()
    assert "ore" in spec.with_name("out.jsonl").read_text()


def test_a_source_that_is_gone_is_missed_only_by_those_who_need_it(spec: Path) -> None:
    spec.with_name("rows.jsonl").unlink()
    fusec.compile(spec).run()
    spec.write_text(SPEC.replace("> 1", "> 2"))
    fusec.compile(spec).run()  # the rows themselves are in the store

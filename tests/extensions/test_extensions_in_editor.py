"""What the language server says about verbs of packages, asked without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pygls")

from fusec.cli.lsp.completion import complete
from fusec.cli.lsp.hover import hover
from fusec.cli.lsp.index import all_of, found_at
from fusec.cli.lsp.workspace import Workspace

SPEC = """edition 2026

extend "acme-fuse-steps" as acme

data plain from "./plain.jsonl"

data loud = plain |> acme.rewrite { column: .text, into: "loud", voice: acme.shouty(marks: 2) }

output loud to "./out/loud.jsonl"
"""


@pytest.fixture
def asked(installed_once: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The spec as an open file of an editor."""
    monkeypatch.syspath_prepend(installed_once)
    (tmp_path / "plain.jsonl").write_text('{"text": "a line"}\n')
    workspace = Workspace()
    spec = workspace.take((tmp_path / "notes.fuse").as_uri(), SPEC)
    assert [problem.title() for problem in spec.problems()] == []
    return spec, workspace


def test_hover_shows_the_page(asked) -> None:
    spec, workspace = asked
    for word, says in (("rewrite", "Say a text column in another voice"), ("shouty", "Capitals")):
        shown = hover(spec, workspace, SPEC.index(word) + 2)
        assert shown is not None and says in shown.text


def test_after_the_dot_stand_its_words(asked) -> None:
    spec, _ = asked
    offers = complete(spec, SPEC.index("rewrite"))
    assert [offer.label for offer in offers] == ["rewrite", "median", "shouty", "whispered"]


def test_its_name_is_found_wherever_it_is_used(asked) -> None:
    document = asked[0].document
    found = found_at(document, SPEC.index("acme.rewrite"))
    assert found is not None
    assert [span.text for span in all_of(document, found)] == ["acme"] * 3

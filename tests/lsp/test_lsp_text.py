"""What an editor asks of a whole text: colours by meaning, folds, layout of a part, all certain fixes."""

import pytest
from lsprotocol import types as lsp

from fusec.lang.format import format_source

SPEC = """\
edition 2026

# What is read,
# and what is made of it.

param seed = 7
let kinds = ["long"]

data notes from "notes.jsonl"
  |> filter { keep: len(.text) >= 3 }  # 🖋 two units
  |> split { test: 25% }

data part[k in kinds] from "notes.jsonl" { split: "{k}" }

model base = init {
  arch: llama(layers: 1, hidden: 16, heads: 2, context: 16)
  tokenizer: bytes
}

tokenizer bytes = train_tokenizer { data: notes.train, vocab: 280 }

output base to "./out/{seed}"
"""


@pytest.fixture
def page(editor):
    return editor.open(SPEC, "text.fuse")


def coloured(page):
    """Each word that has a colour, with it, in the order of the text."""
    legend = page.editor.abilities.semantic_tokens_provider.legend.token_types
    params = lsp.SemanticTokensParams(page.id)
    data = page.editor.wait(page.editor.client.text_document_semantic_tokens_full_async(params)).data
    line = column = 0
    found = []
    for at in range(0, len(data), 5):
        down, right, length, kind, _ = data[at : at + 5]
        line, column = line + down, right if down else column + right
        place = lsp.Range(lsp.Position(line, column), lsp.Position(line, column + length))
        found.append((page.cut(place), legend[kind]))
    return found


def test_words_are_coloured_by_what_they_mean(page):
    found = coloured(page)
    assert found[:5] == [
        ("edition", "keyword"),
        ("2026", "number"),
        ("param", "keyword"),
        ("seed", "parameter"),
        ("7", "number"),
    ]
    for word, colour in [
        ("filter", "function"),
        ("train_tokenizer", "function"),
        ("llama", "method"),
        ("layers", "property"),
        (".text", "enumMember"),
        ("25%", "number"),
        ("k", "variable"),
        ("kinds", "variable"),
        ("base", "class"),
        ("notes", "struct"),
        ("bytes", "interface"),
        ("in", "keyword"),
        ("from", "keyword"),
    ]:
        assert {c for w, c in found if w == word} == {colour}, word
    assert ("seed", "parameter") in found[-2:], "names inside texts are names"


def test_a_text_that_does_not_parse_is_coloured_by_its_form(page):
    page.edit(SPEC.replace("arch: llama(", "arch: llama(("))
    found = coloured(page)
    assert ("llama", "method") in found and ("init", "function") in found and ("arch", "property") in found


def test_brackets_chains_and_remarks_fold(page):
    found = page.editor.wait(
        page.editor.client.text_document_folding_range_async(lsp.FoldingRangeParams(page.id))
    )
    lines = SPEC.split("\n")
    folds = [(lines[fold.start_line], lines[fold.end_line], fold.kind) for fold in found]
    assert folds == [
        ("# What is read,", "# and what is made of it.", lsp.FoldingRangeKind.Comment),
        ('data notes from "notes.jsonl"', "  |> split { test: 25% }", None),
        ("model base = init {", "  tokenizer: bytes", None),
    ]


def test_only_what_a_range_touches_gets_another_layout(page):
    page.edit(SPEC.replace("seed = 7", "seed=7").replace("kinds =", "kinds=").replace("arch:", "arch  :"))
    range_ = lsp.Range(page.at("^let kinds"), page.at('let kinds= ["long"]^'))
    params = lsp.DocumentRangeFormattingParams(page.id, range_, lsp.FormattingOptions(2, True))
    edits = page.editor.wait(page.editor.client.text_document_range_formatting_async(params))
    assert page.applied(edits) == page.text.replace("kinds=", "kinds =")
    whole = lsp.Range(lsp.Position(0, 0), page.at('to "./out/{seed}"^'))
    params = lsp.DocumentRangeFormattingParams(page.id, whole, lsp.FormattingOptions(2, True))
    edits = page.editor.wait(page.editor.client.text_document_range_formatting_async(params))
    assert page.applied(edits) == format_source(page.text) == SPEC


def test_all_certain_fixes_at_once(page):
    page.edit(SPEC.replace("hidden:", "hiden:").replace("vocab:", "vocabb:"))
    assert [p.code for p in page.problems() if p.severity == lsp.DiagnosticSeverity.Error]
    assert page.fix_all() == SPEC
    page.edit(SPEC)
    assert page.fix_all() == SPEC

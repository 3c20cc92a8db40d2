"""Each thing an editor asks for, asked of the real server over stdio."""

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

SPEC = """\
edition 2026

param seed = 7
param least = 10

let kinds = ["long", "short"]

## What people wrote. 🖋 two units wide
data notes from "notes.jsonl"
  |> filter { keep: len(.text) >= least }  # 🖋🖋 and .lang is kept
  |> split { test: 25% }

data part[k in kinds] from "{k}.jsonl"

tokenizer bytes = train_tokenizer { data: notes.train, vocab: 280 }

model base = init { arch: llama(layers: 1, hidden: 16, heads: 2, context: 16), tokenizer: bytes }

model expert[k in kinds] = finetune {
  model: base
  data: part[k]
  steps: 2 steps
  batch: 2
  lr: 1e-2
  schedule: constant
}

model merged = merge { base: base, experts: expert, method: average }

report after = evaluate { model: merged, data: [k: part[k] for k in kinds] }

check after.average.loss < 9

budget { reads: 24 GB }

output merged to "./out/merged"
"""


@pytest.fixture
def page(editor):
    for kind in ("long", "short"):
        (editor.folder / f"{kind}.jsonl").write_text('{"text": "words"}\n' * 4)
    return editor.open(SPEC)


# --- diagnostics and fixes -------------------------------------------------------


def test_a_spec_that_is_fine_has_no_problems(page):
    assert page.problems() == []


def test_problems_come_while_typing_with_code_severity_and_the_other_party(page):
    page.edit(SPEC.replace("schedule: constant", "schedul: constant").replace("report after", "report base"))
    problems = {problem.code: problem for problem in page.problems()}
    assert problems["FUSE103"].severity == lsp.DiagnosticSeverity.Error
    assert page.cut(problems["FUSE103"].range) == "schedul"
    (other,) = problems["FUSE102"].related_information
    assert page.cut(other.location.range) == "base"
    assert other.location.range.start == page.at("model ^base")


def test_lines_in_messages_are_those_of_the_file_after_text_moved(page):
    page.problems()
    page.edit(
        SPEC.replace("edition 2026\n", "edition 2026\n\n\n# 🖋\n").replace("experts: expert", "experts: exper")
    )
    (problem,) = page.problems()
    line = page.text[: page.text.index("model expert")].count("\n") + 1
    assert f"line {line}" in problem.message


def test_a_certain_fix_is_preferred_and_mends_the_text(page):
    page.edit(SPEC.replace("24 GB", "24 GBs"))
    (problem,) = page.problems()
    (fix,) = page.fixes(problem)
    assert (fix.kind, fix.is_preferred) == (lsp.CodeActionKind.QuickFix, True)
    page.edit(page.applied(fix.edit.changes[page.uri]))
    assert page.text == SPEC
    assert page.problems() == []


def test_a_guess_is_offered_but_not_preferred(page):
    page.edit(SPEC.replace("experts: expert", "experts: exper"))
    (problem,) = page.problems()
    (fix,) = page.fixes(problem)
    assert not fix.is_preferred
    assert page.applied(fix.edit.changes[page.uri]) == SPEC


def test_what_nothing_uses_is_a_faded_hint(page):
    page.edit(SPEC + "\nlet spare = 3\n")
    (problem,) = page.problems()
    assert (problem.code, problem.severity) == ("FUSE108", lsp.DiagnosticSeverity.Hint)
    assert list(problem.tags) == [lsp.DiagnosticTag.Unnecessary]


def test_places_are_counted_in_utf16(page):
    page.edit(SPEC.replace('"long", "short"', '"🖋", "🖋", stray'))
    problem = next(p for p in page.problems() if p.code == "FUSE101")
    assert page.cut(problem.range) == "stray"


def test_what_is_on_disk_does_not_matter(editor):
    (editor.folder / "open.fuse").write_text("nothing that parses {{{")
    assert editor.open("edition 2026\n", "open.fuse").problems() == []


# --- hover -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place, says",
    [
        ("base: ^base", ["model base: Model[", "parameters in", "made by `init`"]),
        ("data: ^notes", ["data notes: Map[", "What people wrote. 🖋"]),
        (">= ^least", ["param least = 10"]),
        ("experts: ^expert", ["model expert[k in kinds]: Model[", "one of 2"]),
        ("= ^merge {", ["merge { ... }", "Combine experts", "slots"]),
        ("method: ^average", ["The plain mean of the experts"]),
        ("^schedule: constant", ["schedule: ", "default"]),
        ("arch: llama(^layers", ["layers: ", "`llama`"]),
        ("reads: 2^4 GB", ["24 GB: Size", "24_000_000_000 bytes"]),
        ("len(.te^xt)", [".text: Str"]),
        ("part[^k]\n  steps", ["k: a variable"]),
    ],
)
def test_hover(page, place, says):
    text = page.hover(place)
    assert [part for part in says if part not in text] == [], text


def test_hover_over_nothing_is_nothing(page):
    assert page.hover("edition 2026\n^") == ""


# --- names ----------------------------------------------------------------------------


def test_definition_of_a_name_and_of_a_variable(page):
    assert page.definition("experts: ^expert").range.start == page.at("model ^expert[k")
    assert page.definition("{^k}.jsonl").range.start == page.at("part[^k in")
    assert page.definition("= ^merge {") is None


def test_references_reach_into_strings_and_stay_in_their_scope(page):
    assert [page.cut(place.range) for place in page.references("data part[^k in")] == ["k", "k"]
    assert len(page.references("let ^kinds")) == 4


def test_rename_changes_every_use_and_nothing_else(page):
    text = page.rename("model ^base", "trunk")
    assert text == SPEC.replace("model base", "model trunk").replace("model: base", "model: trunk").replace(
        "base: base", "base: trunk"
    )
    assert page.rename("data part[^k in", "key") == SPEC.replace(
        'part[k in kinds] from "{k}', 'part[key in kinds] from "{key}'
    )


@pytest.mark.parametrize("new", ["2fast", "model", "if", "notes", "k"])
def test_a_rename_that_would_change_the_meaning_is_refused(page, new):
    with pytest.raises(JsonRpcException, match=f"`{new}`"):
        page.rename("model ^base", new)


# --- completion ---------------------------------------------------------------------------


def completions(editor, line, base=SPEC):
    """The labels at `^` in text added to the spec."""
    page = editor.open(base + "\n" + line.replace("^", ""))
    return page.complete(f'"./out/merged"\n\n{line}')


def test_a_line_begins_with_a_keyword(page):
    assert {"model", "data", "check", "output"} <= set(completions(page.editor, "mo^"))


def test_after_an_equals_sign_stand_verbs_and_names_of_that_kind(page):
    found = completions(page.editor, "model next = ^")
    assert {"merge", "finetune", "base", "expert"} <= set(found) and "notes" not in found


def test_after_a_pipe_stand_verbs(page):
    found = completions(page.editor, "data next = notes.train |> ^")
    assert {"filter", "select"} <= set(found) and "base" not in found


@pytest.mark.parametrize("end", ["", " }"])
def test_slots_that_are_missing_come_first_and_written_ones_not_again(page, end):
    found = completions(page.editor, "model next = merge { base: base, ^" + end)
    assert set(found[:2]) == {"experts", "method"} and "base" not in found and "keep" in found


def test_the_subject_of_a_stage_is_not_asked_for(page):
    assert "data" not in completions(page.editor, "data next = notes.train |> filter { ^ }")


def test_methods_of_the_family_that_the_slot_wants(page):
    found = completions(page.editor, "model next = merge {\n  method: ^\n}")
    assert {"ties", "average"} <= set(found) and not {"llama", "base"} & set(found)


def test_arguments_of_a_method(page):
    assert completions(page.editor, "model next = merge { method: ties(^) }")[0] == "density"


def test_words_of_a_slot(page):
    found = completions(page.editor, "model next = finetune { schedule: ^ }")
    assert {"constant", "linear"} <= set(found) and "base" not in found


def test_names_of_the_kind_that_the_slot_wants(page):
    assert completions(page.editor, "model next = merge { base: b^ }") == ["base", "expert", "merged", "next"]


@pytest.mark.parametrize("end", [") }", ""])
def test_columns_of_the_rows_at_hand(page, end):
    found = completions(page.editor, f"data next = notes.train |> filter {{ keep: len(.t^{end}")
    assert found == ["text", "lang", "score"]


def test_keys_of_a_family(page):
    assert completions(page.editor, 'check expert["^') == ["long", "short"]


def test_parts_of_a_result(page):
    assert completions(page.editor, "output notes.^") == ["test", "train"]
    assert "average" in completions(page.editor, "check after.^")
    assert "loss" in completions(page.editor, "check after.average.^")


def test_units_of_the_dimension_that_the_slot_wants(page):
    found = completions(page.editor, "model next = merge { expert_reads: 24 ^ }")
    assert {"GB", "GiB"} <= set(found) and "rows" not in found


@pytest.mark.parametrize("line", ["# mod^", 'output merged to "./^'])
def test_comments_and_texts_are_left_alone(page, line):
    assert completions(page.editor, line) == []


def test_an_offer_replaces_the_word_begun(page):
    page = page.editor.open(SPEC + "\nmo")
    item = next(item for item in page.items('merged"\n\nmo^') if item.label == "model")
    assert page.applied([item.text_edit]) == SPEC + "\nmodel "


# --- the whole text ------------------------------------------------------------------------


def test_the_outline_is_the_left_margin(page):
    params = lsp.DocumentSymbolParams(page.id)
    found = page.editor.wait(page.editor.client.text_document_document_symbol_async(params))
    names = [(symbol.detail, symbol.name) for symbol in found]
    assert names[:5] == [
        ("param", "seed"),
        ("param", "least"),
        ("let", "kinds"),
        ("data", "notes"),
        ("data", "part[k]"),
    ]
    assert names[-3:] == [("check", "after.average.loss < 9"), ("budget", "budget"), ("output", "merged")]


def format_edits(page):
    params = lsp.DocumentFormattingParams(page.id, lsp.FormattingOptions(2, True))
    return page.editor.wait(page.editor.client.text_document_formatting_async(params))


def test_formatting_is_that_of_fmt(page):
    assert list(format_edits(page)) == []
    page.edit(SPEC.replace("experts: expert, method", "experts:expert,method").rstrip())
    assert page.applied(format_edits(page)) == SPEC


def test_text_that_does_not_parse_is_not_formatted(page):
    page.edit(SPEC.replace("[k: part[k]", "[k: part[k"))
    assert format_edits(page) is None


# --- staying alive ----------------------------------------------------------------------------


def test_questions_about_files_nobody_opened_are_answered_with_nothing(editor, page):
    params = lsp.HoverParams(lsp.TextDocumentIdentifier("file:///nowhere.fuse"), lsp.Position(0, 0))
    assert editor.wait(editor.client.text_document_hover_async(params)) is None
    assert page.problems() == []


def test_a_damaged_lock_is_no_end(editor):
    (editor.folder / "locked.fuse.lock").write_bytes(b"\x00nonsense")
    page = editor.open(
        'edition 2026\n\ndata notes from "notes.jsonl"\n\noutput notes to "./out"\n', "locked.fuse"
    )
    assert [problem.code for problem in page.problems()] == ["FUSE114"]


def test_places_far_outside_the_text_are_nothing(page):
    params = lsp.HoverParams(page.id, lsp.Position(10_000, 10_000))
    assert page.editor.wait(page.editor.client.text_document_hover_async(params)) is None


# --- sources that only the spec describes ---------------------------------------------

ENDPOINT = """edition 2026

model critic from "https://llm.example.org/v1" { model: "critic", licence: "house-rules" }
model same = critic
"""


def test_hover_over_an_endpoint_tells_what_it_gives_and_its_licence(editor):
    text = editor.open(ENDPOINT, "endpoint.fuse").hover("same = ^critic")
    for part in ("model critic: Sampler", "from `https://llm.example.org/v1`", "licence house-rules"):
        assert part in text


def test_a_warning_about_licences_stays_after_an_edit_elsewhere(editor):
    (editor.folder / "lines.jsonl").write_text('{"text": "a"}\n')
    spec = """edition 2026

data lines from "./lines.jsonl" { licence: "cc-by-nd-4.0" }
data some = lines |> filter { keep: len(.text) > 1 }

output some to "./out/some"
"""
    page = editor.open(spec, "licences.fuse")
    assert [p.code for p in page.problems()] == ["FUSE507"]
    page.edit(spec.replace("> 1", "> 2"))
    assert [p.code for p in page.problems()] == ["FUSE507"]

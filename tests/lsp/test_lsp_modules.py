"""Specs that use each other, as an editor sees them: each mistake in its file, names across files."""

import shutil
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

CURATE = """\
edition 2026

## Rows of one language.
param lang: Str
param seed = 17
param least = 5

data raw from "../notes.jsonl"
  |> filter { keep: .lang == lang and len(.text) > least }

## What is learned from.
data train = raw |> sample { rows: 2 }
"""

MAIN = """\
edition 2026

param seed = 1

use "curate.fuse"(lang: "en", least: 3) as en
use "curate.fuse"(lang: k) as other[k in ["de", "fr"]]

data both = mix { parts: [en.train, other["de"].train], rows: 4 }

output both to "./out/both"
output en.raw to "./out/raw"
output other["fr"].train to "./out/fr"
"""


class Folder:
    def __init__(self, editor, path):
        self.editor, self.path = editor, path
        self.pages = []

    def write(self, name, text):
        (self.path / name).write_text(text)

    def uri(self, name):
        return (self.path / name).as_uri()

    def open(self, name, text=None):
        text = (self.path / name).read_text() if text is None else text
        self.pages.append(self.editor.open(text, f"{self.path.name}/{name}"))
        return self.pages[-1]


@pytest.fixture
def folder(editor, request):
    path = editor.folder / f"f{abs(hash(request.node.name)) % 10**9}"
    path.mkdir()
    folder = Folder(editor, path)
    folder.write("curate.fuse", CURATE)
    folder.write("main.fuse", MAIN)
    yield folder
    for page in folder.pages:
        page.close()
    shutil.rmtree(path)


def places(locations):
    return [(Path(place.uri).name, place.range.start.line + 1) for place in locations]


def line_of(text, part):
    return text[: text.index(part)].count("\n") + 1


# --- problems ---------------------------------------------------------------------


def test_a_file_and_what_it_uses_are_fine(folder):
    assert folder.open("main.fuse").problems() == []
    assert folder.open("curate.fuse").problems() == []


def test_a_required_parameter_is_no_mistake_where_nobody_gives_it_yet(folder):
    folder.write("main.fuse", "edition 2026\n")
    assert folder.open("curate.fuse").problems() == []


def test_a_mistake_in_a_used_file_is_told_there(folder):
    folder.write("curate.fuse", CURATE.replace("sample {", "sampl {"))
    assert folder.open("main.fuse").problems() == []
    (problem,) = folder.editor.told_of(folder.uri("curate.fuse"), bool)
    assert (problem.code, problem.range.start.line + 1) == ("FUSE107", line_of(CURATE, "sample {"))
    page = folder.open("curate.fuse")
    assert [p.code for p in page.problems()] == ["FUSE107"]


def test_a_missing_argument_is_told_where_the_file_is_used(folder):
    page = folder.open("main.fuse", MAIN.replace('lang: "en", ', ""))
    assert [(p.code, page.cut(p.range)) for p in page.problems()] == [("FUSE104", '"curate.fuse"')]


def test_what_is_typed_counts_and_not_what_lies_on_disk(folder):
    main, curate = folder.open("main.fuse"), folder.open("curate.fuse")
    assert main.problems() == [] == curate.problems()
    curate.edit(CURATE.replace("data train", "data learned"))
    assert main.comes_to("FUSE101", "FUSE101", "FUSE101")
    curate.edit(CURATE)
    assert main.comes_to()
    curate.edit(CURATE.replace("data train", "data learned"))
    assert main.comes_to("FUSE101", "FUSE101", "FUSE101")
    curate.close()
    folder.pages.remove(curate)
    assert main.comes_to()


def test_a_file_that_appears_or_changes_on_disk_is_read(folder):
    (folder.path / "curate.fuse").unlink()
    main = folder.open("main.fuse")
    assert {p.code for p in main.problems()} == {"FUSE106"}
    folder.write("curate.fuse", CURATE)
    change = lsp.FileEvent(folder.uri("curate.fuse"), lsp.FileChangeType.Created)
    folder.editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([change]))
    assert main.comes_to()


def test_a_file_that_uses_itself_is_told_and_nothing_hangs(folder):
    page = folder.open("main.fuse", MAIN + '\nuse "main.fuse" as again\n')
    assert "FUSE106" in [p.code for p in page.problems()]


# --- names ---------------------------------------------------------------------------


def test_definition_leads_into_the_used_file(folder):
    page = folder.open("main.fuse")
    train = ("curate.fuse", line_of(CURATE, "data train"))
    assert places([page.definition("en.tr^ain,")]) == [train]
    assert places([page.definition('other["de"].^train')]) == [train]
    assert places([page.definition("(^lang: k")]) == [("curate.fuse", line_of(CURATE, "param lang"))]
    assert places([page.definition('use "cur^ate.fuse"(lang: "en"')]) == [("curate.fuse", 1)]
    assert places([page.definition("[^en.train")]) == [
        ("main.fuse", line_of(MAIN, 'use "curate.fuse"(lang: "en'))
    ]


@pytest.mark.parametrize(
    "place, says",
    [
        ("en.^train,", ["data train: Data[", "What is learned from.", "2 rows", "made by `sample`"]),
        ('"de"].^train', ["data train: Data[", "one of 2"]),
        ("^least: 3", ["param least = 3"]),
        ("(^lang: k", ["param lang = de, fr", "Rows of one language."]),
        ("[^en.train", ['use "curate.fuse" as en', "gives `raw`, `train`"]),
    ],
)
def test_hover_over_what_a_used_file_declares(folder, place, says):
    text = folder.open("main.fuse").hover(place)
    assert [part for part in says if part not in text] == [], text


def test_references_are_found_in_every_file(folder):
    found = places(folder.open("curate.fuse").references("data ^train"))
    uses = [("main.fuse", line_of(MAIN, part)) for part in ("data both", "data both", 'output other["fr"]')]
    assert sorted(found) == sorted([("curate.fuse", line_of(CURATE, "data train")), *uses])


@pytest.mark.parametrize("opened", ["curate.fuse", "main.fuse"])
def test_rename_changes_the_file_and_all_that_use_it(folder, opened):
    place = {"curate.fuse": "data ^train", "main.fuse": "en.^train"}[opened]
    page = folder.open(opened)
    edits = page.rename_everywhere(place, "learned")
    assert {uri: len(found) for uri, found in edits.items()} == {
        folder.uri("curate.fuse"): 1,
        folder.uri("main.fuse"): 3,
    }
    other = {"curate.fuse": "main.fuse", "main.fuse": "curate.fuse"}[opened]
    page.edit(page.applied(edits[page.uri]))
    page = folder.open(other)
    page.edit(page.applied(edits[page.uri]))
    assert page.problems() == []


def test_a_parameter_is_renamed_where_it_is_given(folder):
    edits = folder.open("curate.fuse").rename_everywhere("param ^lang", "tongue")
    main = folder.open("main.fuse")
    assert main.applied(edits[main.uri]) == MAIN.replace("(lang:", "(tongue:")


def test_a_rename_that_would_break_a_user_is_refused(folder):
    folder.write("main.fuse", MAIN + "\nlet same = en\nlet rest = same.train\n")
    with pytest.raises(JsonRpcException, match=r"main\.fuse would be wrong"):
        folder.open("curate.fuse").rename_everywhere("data ^train", "learned")


# --- completion -------------------------------------------------------------------------


def complete(folder, line):
    page = folder.open("main.fuse", MAIN + "\n" + line.replace("^", ""))
    return page.complete(f'"./out/fr"\n\n{line}')


def test_members_of_a_used_file(folder):
    assert complete(folder, "data next = en.^")[:2] == ["raw", "train"]
    assert complete(folder, 'data next = other["de"].tr^')[:2] == ["raw", "train"]


def test_keys_of_a_family_of_used_files(folder):
    assert complete(folder, 'data next = other["^') == ["de", "fr"]


def test_parameters_of_the_file_that_is_used(folder):
    assert complete(folder, 'use "curate.fuse"(^') == ["lang", "seed", "least"]
    assert complete(folder, 'use "curate.fuse"(lang: "en", ^) as more') == ["seed", "least"]


def test_the_files_beside_a_spec(folder):
    assert complete(folder, 'use "^') == ["curate.fuse"]

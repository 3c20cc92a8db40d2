"""`fusec query`: sets of declarations and nodes, and what a selector that means nothing is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.cli.main import dispatch
from fusec.cli.query.selector import BadSelector, parse_selector
from fusec.cli.reference.selectors import EXAMPLES

SPEC = """\
edition 2026

param seed = 7
param steps = 2 steps
param least = 10

let kinds = ["long", "short"]

data part[k in kinds] from "{k}.jsonl" |> filter { keep: len(.text) >= least }
data lesson[k in kinds] = part[k]
tokenizer bytes = train_tokenizer { data: part, vocab: 263 }

model base = init { tokenizer: bytes, arch: llama(layers: 1, hidden: 16, heads: 2, context: 16) }
model expert[k in kinds] = finetune { model: base, data: lesson[k], steps: steps }
model merged = merge { base: base, experts: expert, method: average }

report merge_scores = evaluate { model: merged, data: part }
check merge_scores.average.loss < 9

output merged to "./out/merged"
"""

Query = Callable[[str], set[str]]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for kind in ("long", "short"):
        (tmp_path / f"{kind}.jsonl").write_text('{"text": "a line of some words"}\n' * 12)
    (tmp_path / "model.fuse").write_text(SPEC)
    return Path("model.fuse")


@pytest.fixture
def names(fusec: Callable[..., tuple[int, str, str]], spec: Path) -> Query:
    """The names that a selector chooses."""

    def query(selector: str) -> set[str]:
        code, out, err = fusec("query", spec, selector, "--json")
        assert code == 0, err
        return {item["name"] for item in json.loads(out)}

    return query


EXPERTS = {"expert[long]", "expert[short]"}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("expert", EXPERTS),
        ("expert[*]", EXPERTS),
        ("expert[long]", {"expert[long]"}),
        ("model", {"base", "merged", *EXPERTS}),
        ("model and not finetune", {"base", "merged"}),
        ("merge or finetune", {"merged", *EXPERTS}),
        ("param", {"seed", "steps", "least"}),
        ("source", {"part[long]/source", "part[short]/source"}),
        ("check", {"merge_scores.average.loss < 9"}),
        ("output", {"./out/merged"}),
        ('"merge_scores.average.loss < 9"', {"merge_scores.average.loss < 9"}),
        ("inputs(merged)", {"base", *EXPERTS}),
        ("uses(base)", {"merged", *EXPERTS}),
        ("descendants(steps) model", {"merged", *EXPERTS}),
        ("uses(seed)", {"base", *EXPERTS}),
        ("uses(least)", {f"part[{k}]{more}" for k in ("long", "short") for more in ("", "/source")}),
        ("ancestors(expert[long]) and finetune", set()),
        ("uses(lesson[long])", {"expert[long]"}),
        ("ancestors(output) report", set()),
        ("no_such*", set()),
    ],
)
def test_what_a_selector_chooses(names: Query, selector: str, chosen: set[str]) -> None:
    assert names(selector) == chosen


def test_sets_obey_the_laws_of_sets(names: Query) -> None:
    everything = names("*")
    assert names("not model") == everything - names("model")
    assert names("not (model or data)") == names("not model") & names("not data")
    assert names("ancestors(check or output)") == names("ancestors(check)") | names("ancestors(output)")
    for name in ("base", "part[long]", "steps"):
        assert all(name in names(f"ancestors('{other}')") for other in names(f"descendants({name})"))


def test_names_of_the_spec_win_and_a_prefix_says_which_is_meant(names: Query, spec: Path) -> None:
    spec.write_text(SPEC.replace("merge_scores", "merge"))
    assert names("merge") == names("name:merge") == {"merge"}
    assert names("verb:merge") == {"merged"}


def test_states_are_those_of_the_store(names: Query, fusec: Callable[..., object], spec: Path) -> None:
    assert names("stored") == set()
    fusec("run", spec, "--only", "bytes")
    assert names("stored") == {"part[long]", "part[short]", "bytes", *names("source")}
    assert names("new model") == names("model")


def test_a_line_says_kind_verb_type_and_place(fusec: Callable[..., tuple[int, str, str]], spec: Path) -> None:
    _, out, _ = fusec("query", spec, "bytes or lesson[long] or steps")
    assert [line.split() for line in out.splitlines()] == [
        ["steps", "param", "-", "2", "steps", "model.fuse:4"],
        ["lesson[long]", "data", "-", "Data[{text:", "Str}]", "model.fuse:10"],
        ["bytes", "tokenizer", "train_tokenizer", "Tokenizer[263]", "model.fuse:11"],
    ]


@pytest.mark.parametrize(
    ("selector", "marked", "said"),
    [
        ("model and mergd", "mergd", "close to `merged`"),
        ("verb:marge", "verb:marge", "close to `merge`"),
        ("ancestor(base)", "ancestor", "ancestors()"),
        ("(model", "", "`)` is missing"),
        ("model) or data", ")", "no `(`"),
        ("model and", "", "is wanted here"),
        ('model "x', '"x', "never closed"),
    ],
)
def test_a_bad_selector_is_marked_where_it_is_wrong(
    fusec: Callable[..., tuple[int, str, str]], spec: Path, selector: str, marked: str, said: str
) -> None:
    code, out, err = fusec("query", spec, selector)
    assert (code, out) == (1, "") and said in err
    _, shown, under = err.splitlines()[:3]
    start, size = under.index("^"), under.count("^")
    assert shown[start : start + size] == marked


@given(st.text("ab()*\"' :andort", max_size=20))
def test_any_text_is_a_selector_or_a_marked_mistake(text: str) -> None:
    try:
        parse_selector(text)
    except BadSelector as bad:
        assert 0 <= bad.at.start <= bad.at.end <= len(text)


@pytest.mark.parametrize("selector", [selector for selector, _ in EXAMPLES])
def test_the_examples_of_the_reference_mean_something(names: Query, spec: Path, selector: str) -> None:
    spec.write_text(SPEC.replace("merge_scores", "model" if "name:" in selector else "scores"))
    assert names(selector) or selector == "model and not ancestors(output)"


def test_a_used_file_is_all_that_it_makes(names: Query, spec: Path) -> None:
    Path("part.fuse").write_text('edition 2026\nparam kind: Str\ndata rows from "{kind}.jsonl"\n')
    used = (
        'use "part.fuse"(kind: k) as q[k in kinds]\nreport seen[k in kinds] = describe { data: q[k].rows }\n'
    )
    spec.write_text(SPEC + used)
    assert names("q") == names("q.rows") == names("q*") == {"q[long].rows", "q[short].rows"}
    assert names("q[long]") == names("inputs(seen[long]) not let") == {"q[long].rows"}


def test_a_selector_too_deep_to_follow_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.fuse"
    spec.write_text("edition 2026\n")
    for deep in ("(" * 5000 + "base" + ")" * 5000, "not " * 5000 + "base"):
        assert dispatch(["query", str(spec), deep]) == 1
        assert "more than 50" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["check", "."], ["plan", ""], ["query", ".", "x"], ["why", ".", "m"]])
def test_a_folder_is_no_spec(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(command) == 1
    assert "cannot be read" in capsys.readouterr().err

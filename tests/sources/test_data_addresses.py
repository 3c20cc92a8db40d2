"""Addresses of data: paths, packages, options, the Hugging Face cache, and what leads nowhere."""

import json
from pathlib import Path
from typing import Any

import pytest


def jsonl(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- addresses -------------------------------------------------------------------------


def test_files_of_packages_are_found_without_importing_them(desk: Any) -> None:
    assert desk.facts("pkg:asyncio/*.py").files[0].name == "__init__.py"
    assert desk.facts("pkg:stdlib/*.py").licence == "PSF-2.0"
    topics = desk.rows("pkg:pydoc_data/topics.py", format="python_strings")
    assert len(topics) > 50
    assert sum(len(row["text"]) for row in topics) > 400_000


def test_paths_start_at_the_spec_or_at_the_root(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.write("sub/a.txt", "x")
    monkeypatch.setenv("HOME", str(desk.base))
    for uri in ("sub/a.txt", "./sub/*.txt", str(path), f"file://{path}", "~/sub/a.txt", "sub"):
        assert [pin.name for pin in desk.facts(uri).files] == ["a.txt"]


@pytest.mark.parametrize(
    ("uri", "kind", "what"),
    [
        ("nope.jsonl", "missing", "`nope.jsonl` does not exist"),
        ("nope/*.jsonl", "missing", "no file matches `nope/*.jsonl`"),
        ("s3://b/a.jsonl", "scheme", "`s3:` is not a scheme that sources can read"),
        ("file://host/a", "scheme", "`file://host/a` names another machine"),
        ("pkg:asyncio/../os.py", "missing", "`pkg:asyncio/../os.py` leads out of the package"),
        (
            "pkg:no_such_package/x",
            "missing",
            "there is no Python package `no_such_package` in this environment",
        ),
        ("hf:../x", "scheme", "`hf:../x` is not an address of the Hugging Face hub"),
        ("a.xyz", "unsupported", "`a.xyz` has files of the kind .xyz"),
    ],
)
def test_addresses_that_lead_nowhere(desk: Any, uri: str, kind: str, what: str) -> None:
    desk.write("a.xyz", "x")
    problem = desk.problem(uri)
    assert (problem.kind, problem.what) == (kind, what)


def test_options_are_closed(desk: Any) -> None:
    desk.write("a.txt", "x")
    desk.write("a.csv", "a")
    assert desk.problem("a.txt", delimiter=";").what == "`delimiter` has no meaning for text data"
    assert desk.problem("a.csv", delimiter="||").what == "`delimiter` cannot be '||'"
    assert desk.problem("a.txt", sample="line").what == "data sources have no option `sample`"
    assert desk.problem("a.txt", sample_by="word").what == "`sample_by` cannot be 'word'"


def test_a_split_is_a_word_of_the_file_name(desk: Any) -> None:
    for name in ("train-00000-of-00001", "train-extra/x", "test-00000-of-00001", "constrain"):
        desk.write(f"d/{name}.jsonl", jsonl({"a": 1}))
    names = [pin.name for pin in desk.facts("d", split="train").files]
    assert names == ["train-00000-of-00001.jsonl", "train-extra/x.jsonl"]
    assert desk.problem("d", split="dev").what == "`d` has no split `dev`"


# --- the Hugging Face cache ----------------------------------------------------------------


@pytest.fixture
def hub(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one data set of two configurations."""
    from huggingface_hub import constants

    cache = desk.base.parent / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    repo = cache / "datasets--acme--qa"
    commit = repo / "snapshots" / ("c" * 40)
    for name in ("en/train.jsonl", "en/test.jsonl", "de/train.jsonl"):
        (commit / name).parent.mkdir(parents=True, exist_ok=True)
        (commit / name).write_text(jsonl({"name": name}))
    card = {
        "license": "mit",
        "configs": [
            {
                "config_name": lang,
                "data_files": [{"split": s, "path": f"{lang}/{s}*"} for s in ("train", "test")],
            }
            for lang in ("en", "de")
        ],
    }
    (commit / "README.md").write_text(f"---\n{json.dumps(card)}\n---\n# QA\n")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("c" * 40)
    return repo


@pytest.mark.usefixtures("hub")
def test_a_data_set_of_the_hub_is_read_from_the_cache(desk: Any) -> None:
    facts = desk.facts("hf:acme/qa#en", split="train")
    assert (facts.revision, facts.licence) == ("c" * 40, "mit")
    assert desk.rows("hf:acme/qa#en", split="train") == [{"name": "en/train.jsonl"}]
    problem = desk.problem("hf:acme/qa", split="train")
    assert problem.what == "`hf:acme/qa` has several configurations"
    assert desk.problem("hf:acme/qa#fr").hint == "write `hf:owner/name#config`, with en, de"


@pytest.mark.usefixtures("hub")
def test_what_is_not_in_the_cache_is_said_with_the_cache(desk: Any) -> None:
    problem = desk.problem("hf:acme/other")
    assert problem.kind == "offline"
    assert problem.what.startswith("`hf:acme/other` is not in the Hugging Face cache")
    assert problem.where.endswith("hub")

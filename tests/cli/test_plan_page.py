"""`plan --html` and `plan --svg`: what they say, that a page loads nothing, and that bytes repeat."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`
VOID = {"meta", "link", "br", "img"}


class Reader(HTMLParser):
    """Fails on tags that do not close in order; keeps texts, ids and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.names: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.names.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    assert reader.open == []
    return reader


def test_the_page_says_what_the_table_says(
    fusec: Fusec, model_run: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(model_run.folder)
    page = tmp_path / "plan.html"
    said = fusec("plan", "model.fuse", "--set", "steps=3", "--html", page)
    assert said.code == 0, said.err
    assert said.out.rstrip().endswith(f"-> {page}")
    text = " ".join(" ".join(read(page).texts).split())
    assert "finetune" in text and "×2" in text and "stored" in text and "./out/merged" in text
    assert "after.average.loss < before.average.loss" in text
    assert "Budgets" in text and "1 GB" in text
    assert "Changes since the last run" in text and "steps: 2 steps -> 3 steps" in text
    assert f"plan {said.out.splitlines()[-1].split()[1]}" in text


def test_the_page_loads_nothing_and_runs_nothing(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    fusec("plan", curate, "--html", "plan.html")
    page = tmp_path / "plan.html"
    reader, text = read(page), page.read_text()
    assert not {"script", "link", "img", "iframe"} & set(reader.names)
    assert all(address.startswith("#") for address in reader.addresses)
    assert {address[1:] for address in reader.addresses} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))
    assert "url(" not in text and "@import" not in text and "http://" not in text and "https://" not in text


def test_what_the_spec_says_stays_text(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    spec = curate.read_text().replace("too little is left", "<script>alert('&amp;')</script>")
    curate.write_text(spec.replace("./out/train.jsonl", "./out/<b>.jsonl"))
    assert fusec("plan", curate, "--html", "plan.html").code == 0
    reader = read(tmp_path / "plan.html")
    assert "<script>alert('&amp;')</script>" in reader.texts and "./out/<b>.jsonl" in reader.texts
    assert not {"script", "b"} & set(reader.names)


def test_the_same_plan_gives_the_same_bytes(curate: Path, tmp_path: Path) -> None:
    """Whatever order a process hashes in."""
    words = "['plan', 'curate.fuse', '--html', '{0}', '--svg', '{0}.svg']"
    code = f"from fusec.cli.main import dispatch; dispatch({words})"
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(
            [sys.executable, "-c", code.format(seed)], cwd=tmp_path, env=env, check=True, stdout=-3
        )
    for name in ("{}", "{}.svg"):
        first, second = (tmp_path / name.format(seed) for seed in ("1", "2"))
        assert first.read_bytes() == second.read_bytes()


def test_pictures_have_a_title_and_a_description(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    fusec("plan", curate, "--html", "plan.html")
    drawings = re.findall(r'<svg [^>]*role="img".*?</svg>', (tmp_path / "plan.html").read_text(), re.DOTALL)
    assert len(drawings) == 2  # the graph and the timeline; bars in cells repeat figures
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        title, desc = root[0], root[1]
        assert (title.tag, desc.tag) == ("title", "desc") and title.text and desc.text
        assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"


def test_the_graph_is_a_picture_of_its_own(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    assert fusec("plan", curate, "--svg", "graph.svg").code == 0
    root = ElementTree.parse(tmp_path / "graph.svg").getroot()
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"notes", "profile", "./out/train.jsonl", "check"} <= texts
    assert "prefers-color-scheme" in (root.findtext("{http://www.w3.org/2000/svg}style") or "")


def test_what_is_too_much_to_draw_is_said(
    fusec: Fusec, curate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fusec.cli.html.page.MOST_BOXES", 1)
    monkeypatch.setattr("fusec.cli.plan_times.MOST_LANES", 1)
    assert fusec("plan", curate, "--html", "plan.html").code == 0
    text = " ".join(read(tmp_path / "plan.html").texts)
    assert "too large to read as a picture" in text
    assert re.search(r"The \d rows that take least are not drawn", text)


def test_a_page_is_of_one_plan(fusec: Fusec, curate: Path, tmp_path: Path) -> None:
    said = fusec("plan", curate, "--sweep", "least=1,2", "--html", "plan.html")
    assert said.code == 1 and "--sweep compares plans" in said.err
    assert not (tmp_path / "plan.html").exists()


def test_a_family_whose_members_wait_for_each_other_is_drawn_by_member(
    fusec: Fusec, curate: Path, tmp_path: Path
) -> None:
    """The first stage of `part[b]` is `part[a]` over again: the two are one node."""
    curate.write_text("""edition 2026
data notes from "notes.jsonl"
data long = notes |> filter { keep: len(.text) >= 3 }
let given = ["a": notes, "b": long]
data part[k in ["a", "b"]] = given[k] |> filter { keep: len(.text) >= 3 } |> filter { keep: len(.text) >= 3 }
output part["b"] to "./out/b.jsonl"
""")
    said = fusec("plan", curate, "--svg", "graph.svg", "--without", "fuse_rows")
    assert said.code == 0, said.err
    drawn = (tmp_path / "graph.svg").read_text()
    assert "part[a]<" in drawn and "part[b]<" in drawn


# --- sweeps -------------------------------------------------------------------------------


def test_a_sweep_is_drawn_in_the_terminal_and_as_a_picture(
    fusec: Fusec, model_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_run.folder)
    monkeypatch.setenv("COLUMNS", "80")
    svg = tmp_path / "sweep.svg"
    said = fusec("plan", "model.fuse", "--sweep", "steps=10,20,40", "--store", "other", "--svg", svg)
    assert said.code == 0, said.err
    _, bars, drawn = said.out.split("\n\n")
    assert drawn.strip() == f"drawn in {svg}"
    lengths = [line.count("#") for line in bars.splitlines()[1:]]
    assert len(lengths) == 3 and lengths == sorted(lengths) and lengths[0] < lengths[2]
    assert max(map(len, bars.splitlines())) <= 80
    root = ElementTree.parse(svg).getroot()
    assert {"0", "10", "20", "40"} <= {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}


def test_a_sweep_that_changes_nothing_draws_no_bars(fusec: Fusec, curate: Path) -> None:
    said = fusec("plan", curate, "--sweep", "least=1,2")
    assert "#" not in said.out

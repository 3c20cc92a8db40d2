"""Hosted models: known from the spec alone, never asked before somebody needs an answer."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from fusec.compiler.facts import EndpointFacts, SourceProblem
from fusec.compiler.lock import decode_lock
from fusec.runtime.executors.local import run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.session import Session
from fusec.runtime.store import Store

SPEC = """edition 2026

model critic from "https://llm.example.org/v1" { model: "critic-large", logprobs: true, licence: "mit" }
data lines from "./lines.jsonl"

output lines to "./out/lines"
"""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_an_endpoint_that_nothing_asks_is_no_hindrance(bench) -> None:
    bench.rows("lines.jsonl", [{"text": "a"}, {"text": "b"}])
    ran = bench.run(SPEC)
    assert bench.visible() == ["out/lines"]
    assert "critic" not in {node.name for node in ran.manifest.nodes}


def test_the_lock_holds_what_the_spec_states(bench) -> None:
    bench.rows("lines.jsonl", [{"text": "a"}])
    bench.run(SPEC)
    facts = decode_lock((bench.folder / "spec.fuse.lock").read_bytes()).facts()
    (endpoint,) = (found for found in facts.values() if isinstance(found, EndpointFacts))
    assert (endpoint.uri, endpoint.model, endpoint.logprobs) == (
        "https://llm.example.org/v1",
        "critic-large",
        True,
    )
    session = Session(bench.folder / "spec.fuse", {}, bench.folder / ".fusec")
    checked = session.check()
    assert session.lock(checked, update=("critic",)) == ()


def test_an_endpoint_is_a_result_with_nothing_to_read(bench) -> None:
    bench.rows("lines.jsonl", [{"text": "a"}])
    session = Session(bench.spec(SPEC), {}, bench.folder / ".fusec")
    checked = session.check()
    session.lock(checked)
    plan = session.plan(session.check(), only=("critic",))
    assert plan.grade == "external"
    store = Store(bench.folder / ".fusec")
    try:
        ran = run_plan(plan, store, bench.folder, Options(threads=1))
        (node,) = ran.manifest.nodes
        found = store.get(node.id)
        assert found is not None
        (file,) = (path for path in Path(found.path).iterdir() if path.name == "endpoint.json")
        assert msgspec.json.decode(file.read_bytes()) == {
            "uri": "https://llm.example.org/v1",
            "model": "critic-large",
            "logprobs": True,
        }
    finally:
        store.close()


def test_the_name_of_the_model_is_its_identity(bench) -> None:
    bench.rows("lines.jsonl", [{"text": "a"}])

    def id_of(text: str) -> str:
        session = Session(bench.spec(text), {}, bench.folder / ".fusec")
        return session.plan(session.check(), only=("critic",)).tasks[0].id

    assert id_of(SPEC) == id_of(SPEC.replace("model critic", "# a word\n\nmodel critic"))
    assert id_of(SPEC) != id_of(SPEC.replace("critic-large", "critic-small"))
    assert id_of(SPEC) != id_of(SPEC.replace("llm.example.org", "other.example.org"))


def test_the_same_address_as_data_is_not_read(bench) -> None:
    text = 'edition 2026\n\ndata rows from "https://llm.example.org/rows.jsonl"\n'
    session = Session(bench.spec(text), {}, bench.folder / ".fusec")
    checked = session.check()
    assert [p.code for p in checked.problems] == ["FUSE110"]
    assert all(isinstance(found, SourceProblem) for found in session._seen.values())


def test_the_card_tells_the_licences_of_the_sources(family_bench, merge_spec) -> None:
    for name, licence in (("base", "apache-2.0"), ("math", "llama3.1")):
        card = family_bench.folder / name / "README.md"
        card.write_text(f"---\nlicense: {licence}\n---\n")
    code = 'from "./code"'
    family_bench.run(merge_spec.replace(code, f'{code} {{ licence: "mit" }}'))
    card = (family_bench.folder / "out/merged/README.md").read_text()
    assert "\nlicense: " + '"llama3.1"' + "\n" in card
    assert "| base | apache-2.0 |\n| math | llama3.1 |\n| code | mit |" in card


def test_without_a_stated_licence_the_card_says_nothing(family_bench, merge_spec) -> None:
    family_bench.run(merge_spec)
    assert "icen" not in (family_bench.folder / "out/merged/README.md").read_text()

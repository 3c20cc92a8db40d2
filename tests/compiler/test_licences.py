"""The table of licences and what one result can carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import planned

from fusec.compiler.licences import TABLE, clash, known, of_result

ids = st.sampled_from(sorted(TABLE))


@given(ids, ids)
def test_a_clash_has_no_direction(one: str, other: str) -> None:
    assert clash(one, other) == clash(other, one)


@given(ids, ids)
def test_a_clash_names_only_what_is_in_the_way(one: str, other: str) -> None:
    found = clash(one, other)
    assert found is None or found.ids == {one, other}


@given(ids)
def test_only_a_licence_without_derivatives_is_in_its_own_way(id: str) -> None:
    assert (clash(id, id) is None) == TABLE[id].derivatives


@given(st.dictionaries(st.text(max_size=3), ids))
def test_the_licence_of_a_result_is_one_of_its_sources(sources: dict[str, str]) -> None:
    assert of_result(sources) in {None, *sources.values()}


def test_what_share_alike_leads_to_is_in_the_table() -> None:
    assert {same for licence in TABLE.values() for same in licence.same} <= TABLE.keys()


@pytest.mark.parametrize(
    ("licences", "result"),
    [
        (("mit", "mit"), "mit"),
        (("mit", "apache-2.0"), None),
        (("mit", "llama3.1"), "llama3.1"),
        (("cc-by-sa-4.0", "apache-2.0"), "cc-by-sa-4.0"),
        (("llama3.1", "gemma"), None),
        (("mit", "house-rules"), None),
        (("mit", ""), None),
        ((), None),
    ],
)
def test_the_licence_of_a_result(licences: tuple[str, ...], result: str | None) -> None:
    assert of_result(dict(enumerate(licences))) == result


def test_case_does_not_matter() -> None:
    assert known(" Apache-2.0 ") == TABLE["apache-2.0"]


SPEC = """edition 2026

data lines from "fixture:text"{}

output lines to "./out/lines"
"""


def test_a_stated_licence_travels_with_the_plan_and_changes_no_result() -> None:
    _, plain = planned(SPEC.format(""))
    _, stated = planned(SPEC.format(' { licence: "mit" }'))
    assert [source.licence for source in stated.sources] == ["mit"]
    assert plain.id == stated.id and plain.tasks == stated.tasks
    assert plain.sources[0].request == stated.sources[0].request

"""No key and no value of a configuration is lost: it is in the spec, or there is a message about it."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from fusec.lang.format import format_source
from fusec.lang.parse import parse
from fusec.lang.render import render
from fusec.lang.source import Source

PAGES = Path(__file__).parent
TEXTS = re.findall(r"^```yaml\n(.*?)^```", (PAGES / "translated.md").read_text(), re.M | re.S)
GOOD = [list(yaml.safe_load_all(text)) for text in TEXTS]
WORDS = sorted({word for text in TEXTS for word in re.findall(r"[a-z_]\w+", text)} | {"tokenizer", "filter"})

Path_ = tuple[str | int, ...]


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """The path of every value inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*at, key)
        yield from places(item, (*at, key))


def reach(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]
    return value


def written(documents: Any) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False)


def keys_in(text: str) -> Iterator[tuple[int, ...]]:
    """For every key of a text the starts of that key and of the keys above it."""

    def walk(node: yaml.Node, above: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                yield (*above, key.start_mark.index)
                yield from walk(value, (*above, key.start_mark.index))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                yield from walk(item, above)

    for document in yaml.compose_all(text):
        if document is not None:
            yield from walk(document, ())


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(-2, 2).map(lambda x: round(x, 2)),
    st.integers(-3, 9),
    st.sampled_from(WORDS),
    st.text(max_size=4),
    st.lists(st.floats(0, 1).map(lambda x: round(x, 1)), max_size=3),
    st.builds(lambda: [{"filter": "mlp", "value": 0}, {"value": 1}]),
    st.dictionaries(st.sampled_from(WORDS), st.integers(0, 2), max_size=2),
)
BUILT = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner)
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good configuration with a few keys and values changed, added or taken away."""
    documents = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(list(places(documents))))
        owner, last = reach(documents, at[:-1]), at[-1]
        match draw(st.sampled_from(("change", "drop", "rename", "add"))):
            case "change":
                owner[last] = draw(VALUES)
            case "drop":
                del owner[last]
            case "rename" if isinstance(owner, dict):
                owner[draw(st.sampled_from(WORDS))] = owner.pop(last)
            case "add" if isinstance(owner, dict):
                owner[draw(st.sampled_from(WORDS))] = draw(VALUES)
        assume(list(places(documents)))
    return documents


def check_all_told(text: str, made: Any) -> None:
    """Every key was read, or has a message of its own or of a key above it."""
    assert bool(made.spec) != bool(made.problems)
    used = {span.start for span in made.used}
    told = {mark.span.start for problem in made.problems for mark in problem.marks()}
    for chain in keys_in(text):
        assert chain[-1] in used or told & set(chain), text[chain[-1] :][:40]
    for problem in made.problems:
        assert render(problem)
    if made.spec:
        assert format_source(made.spec) == made.spec
        assert parse(Source("merge.fuse", made.spec)).problems == ()


@given(documents=mutated())
def test_every_key_is_read_or_told(documents: Any, translated) -> None:
    text = written(documents)
    check_all_told(text, translated(text))


@given(value=BUILT)
def test_any_yaml_ends_in_a_spec_or_a_message(value: Any, translated) -> None:
    text = written([value])
    check_all_told(text, translated(text))


@given(text=st.text(alphabet="ab:-?[]{}&*!|>'\"#%@, \n\t\x07\ufeff0.1<", max_size=30))
def test_any_text_ends_in_a_spec_or_a_message(text: str, translated) -> None:
    made = translated(text)
    assert made.problems and not made.spec
    assert all(render(problem) for problem in made.problems)


LEAVES = [
    pytest.param(documents, at, id=f"{number}-{'.'.join(map(str, at))}")
    for number, documents in enumerate(GOOD)
    for at in places(documents)
    if not isinstance(reach(documents, at), dict | list)
]


@pytest.mark.parametrize(("documents", "at"), LEAVES)
def test_every_value_matters(documents: Any, at: Path_, translated) -> None:
    """Another value of the same kind gives another spec, or a message."""
    other = copy.deepcopy(documents)
    old = reach(documents, at)
    new = not old if isinstance(old, bool) else f"{old}x" if isinstance(old, str) else old + 0.125
    reach(other, at[:-1])[at[-1]] = new
    before, after = translated(written(documents)), translated(written(other))
    assert before.spec
    assert after.problems or after.spec != before.spec


@pytest.mark.parametrize("documents", GOOD)
def test_a_stranger_is_told_wherever_it_stands(documents: Any, translated) -> None:
    for at in [(number,) for number in range(len(documents))] + list(places(documents)):
        other = copy.deepcopy(documents)
        if isinstance(owner := reach(other, at), dict):
            owner["zebra"] = 1
            # Every key of `tokens` is a token, and this one has no row.
            code = "FUSE603" if at[-1] == "tokens" else "FUSE602"
            assert code in {problem.code for problem in translated(written(other)).problems}, at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "[" * 10_000,
        "a: " * 50,
        "x: " + "y" * 300_000,
        "? " * 200,
        "- " * 5000,
        "&a [" * 30 + "*a",
    ],
)
def test_strange_files_end_in_a_message(text: str, translated) -> None:
    (problem, *_) = translated(text).problems
    assert problem.code in ("FUSE603", "FUSE604")
    assert render(problem)


def test_aliases_of_aliases_stay_small(translated) -> None:
    lines = ["a0: &a0 [1, 1]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    made = translated("\n".join(lines))
    assert {problem.code for problem in made.problems} == {"FUSE602", "FUSE603"}

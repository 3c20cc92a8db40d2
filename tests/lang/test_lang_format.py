"""The formatter: the same tree and the same comments, the same text again, and the layout people expect."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.format import WIDTH, DoesNotParse, format_source
from fusec.lang.lexer import DECLARATIONS, RESERVED, words
from fusec.lang.parse import parse
from fusec.lang.source import Source
from fusec.lang.tree import dump

# --- random specs: small grammars of text, shaken so that layout and comments vary ---

NAMES = st.from_regex(r"[a-z]{1,9}", fullmatch=True).filter(lambda name: name not in RESERVED | DECLARATIONS)
ATOMS = st.one_of(
    NAMES,
    st.sampled_from(
        ["true", "12", "1234567", "0.5", "1e-6", "50k", "24 GB", "62%", "3M rows", ".col", "(a + b)"]
    ),
    st.sampled_from(
        ['"text"', "'text'", "'raw { \"'", '"{a.b}"', '"""\n  long\n   text\n  """', "'''\n a\n'''"]
    ),
)


def joined(items: st.SearchStrategy[str], opener: str, closer: str) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=4).map(lambda found: opener + ", ".join(found) + closer)


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from([" + ", " - ", " * ", " == ", " in ", " not in ", " and ", " or ", ".."])
    return st.one_of(
        joined(inner, "[", "]"),
        st.tuples(NAMES, inner).map(lambda pair: f"[{pair[0]}: {pair[1]}]"),
        st.tuples(NAMES, joined(st.tuples(NAMES, inner).map(": ".join), "(", ")")).map("".join),
        st.tuples(NAMES, joined(st.tuples(NAMES, inner).map(": ".join), " {", "}")).map("".join),
        st.tuples(inner, operator, inner).map(lambda three: f"({''.join(three)})"),
        st.tuples(inner, NAMES, inner).map(
            lambda three: f"({three[0]} |> {three[1]} {{ a: {three[2]} }} |> g)"
        ),
        st.tuples(inner, inner, inner).map(lambda three: "(if {} then {} else {})".format(*three)),
        st.tuples(inner, NAMES, inner).map(lambda three: "[({}) for {} in {} if a]".format(*three)),
        st.tuples(NAMES, inner, NAMES).map(lambda three: "{}[{}].{}".format(*three)),
        inner.map(lambda value: f"-({value})"),
    )


EXPRESSIONS = st.recursive(ATOMS, composed, max_leaves=8)
DECLARED = st.one_of(
    st.tuples(NAMES, EXPRESSIONS).map("let {0[0]} = {0[1]}".format),
    st.tuples(NAMES, NAMES, EXPRESSIONS).map(
        'data {0[0]}[{0[1]} in xs] from "u" {{ a: {0[2]} }} |> f |> g {{}}'.format
    ),
    st.tuples(NAMES, EXPRESSIONS).map("model {0[0]}: Model[_, root: b] = merge {{ a: {0[1]}, b: 1 }}".format),
    EXPRESSIONS.map("check {} else 'no'".format),
    st.just('output a.b to "./x"'),
)
GAPS = ["", "", "", "", " ", "\n ", "  # why\n ", "\n\n  # own line\n "]


@st.composite
def specs_of_any_layout(draw: st.DrawFn) -> str:
    text = "\n".join(["edition 2026", *draw(st.lists(DECLARED, min_size=1, max_size=4))]) + "\n"
    source = Source("plain", text)
    tokens = words(source).tokens
    shaken = "edition"
    for before, token in pairwise(tokens):
        more = draw(st.sampled_from(GAPS))
        if (
            token.kind.isupper()
            and text[token.start - 1] == "\n"
            and text[token.start : token.end] in DECLARATIONS
        ):
            more = draw(st.sampled_from(["", "\n", "# note\n", "\n# --- part ---\n", "\n## doc\n"]))
        shaken += text[before.end : token.start] + more + text[token.start : token.end]
    return shaken + draw(st.sampled_from(["", "\n", "  # end", "\n\n# end\n\n"]))


def owners(text: str) -> list[str]:
    """Tokens and comments in their order; commas come and go."""
    found = words(Source("owners", text))
    events = sorted([*found.tokens, *found.comments], key=lambda event: event.start)
    return [
        text[e.start : e.end].rstrip() if hasattr(e, "doc") else e.kind
        for e in events
        if hasattr(e, "doc") or e.kind != ","
    ]


@given(specs_of_any_layout())
def test_layout_is_all_that_changes(text: str) -> None:
    once = format_source(text)
    assert dump(parse(Source("once", once)).file) == dump(parse(Source("text", text)).file)
    assert owners(once) == owners(text)
    assert format_source(once) == once
    assert not re.search(
        r"[ \t]$|\t|\n\n\n", re.sub(r"\"\"\".*?\"\"\"|'''.*?'''", "text", once, flags=re.DOTALL)
    )


def test_specs_are_already_formatted(spec: str) -> None:
    assert format_source(spec) == spec


@pytest.mark.parametrize(
    ("written", "formatted"),
    [
        ("let a=1", "let a = 1\n"),
        ("let a = 1234567 rows", "let a = 1_234_567 rows\n"),
        ("let a = [24GB, 2 %, 12_34]", "let a = [24 GB, 2%, 1234]\n"),
        ("let a = 'plain'", 'let a = "plain"\n'),
        ("let a = 'C:\\x'", "let a = 'C:\\x'\n"),
        ("let a = - b*( c+d )..x . y", "let a = -b * (c + d)..x.y\n"),
        ("model m=merge{a:1,b:f( x , )}", "model m = merge { a: 1, b: f(x) }\n"),
        ("model m = merge {\na: 1, b: 2 }", "model m = merge {\n  a: 1\n  b: 2\n}\n"),
        ("let a = f(\nx, y)", "let a = f(\n  x,\n  y,\n)\n"),
        ("let a = [\nx for x in y]", "let a = [\n  x for x in y\n]\n"),
        ("data d = a\n|> f |> g { x: 1 }", "data d = a\n  |> f\n  |> g { x: 1 }\n"),
        ("let a = 1\n\n\n\nlet b = 2\nlet c = 3", "let a = 1\n\nlet b = 2\nlet c = 3\n"),
        ("let a = 1\nlet b = [\n2]\nlet c = 3", "let a = 1\n\nlet b = [\n  2,\n]\n\nlet c = 3\n"),
        ("let a = 1 # one\n# two\nlet b = 2", "let a = 1  # one\n# two\nlet b = 2\n"),
        ("let a = 1\n# --- part ---\nlet b = 2", "let a = 1\n\n# --- part ---\n\nlet b = 2\n"),
        (
            "model m = merge { # why\n a: 1, # one\n # two\n b: 2\n # end\n }",
            "model m = merge {  # why\n  a: 1  # one\n  # two\n  b: 2\n  # end\n}\n",
        ),
        ("model m = merge {}", "model m = merge {}\n"),
    ],
)
def test_layout(written: str, formatted: str) -> None:
    assert format_source("edition 2026\n\n" + written) == "edition 2026\n\n" + formatted


def test_long_lines_break_at_the_last_group_first() -> None:
    slots = ", ".join(f"slot_{i}: value_{i}" for i in range(8))
    text = format_source(f"edition 2026\n\nmodel m = merge {{ {slots} }}\n")
    assert max(map(len, text.split("\n"))) <= WIDTH
    assert text.count("\n") == 12


def test_what_does_not_parse_is_not_touched() -> None:
    with pytest.raises(DoesNotParse) as caught:
        format_source("edition 2026\nlet a = [1\n")
    assert [p.code for p in caught.value.problems] == ["FUSE001"]
    assert format_source("let  a = 1") == "let a = 1\n"

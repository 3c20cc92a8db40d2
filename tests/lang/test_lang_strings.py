"""String literals: escapes, interpolation with places in the file, and the indentation of long ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.parse import parse_expr
from fusec.lang.source import Source
from fusec.lang.strings import quote
from fusec.lang.tree import Binary, Column, Field, Index, Text


def read(literal: str) -> Text:
    value, problems = parse_expr(Source("text", literal))
    assert not problems, problems[0].title()
    assert isinstance(value, Text)
    return value


@given(st.text())
def test_a_quoted_text_reads_as_itself(text: str) -> None:
    assert read(quote(text)).literal == text


def test_escapes() -> None:
    assert read(r'"a\n\t\"\'\\é\u00e9\U0001f642{{x}}"').literal == "a\n\t\"'\\éé🙂{x}"
    assert read(r"'a\n{x}'").literal == r"a\n{x}"
    assert read('""').literal == "" and read("''").literal == ""


def test_interpolations_are_expressions_of_the_file() -> None:
    text = 'let a = "hf:{tasks[t]}/{{{x.y + 1}}}{.col}"'
    source = Source("spec.fuse", text)
    from fusec.lang.parse import parse

    parts = parse(source).file.declarations[0].value.parts
    assert [type(p) if not isinstance(p, str) else p for p in parts] == [
        "hf:",
        Index,
        "/{",
        Binary,
        "}",
        Column,
    ]
    assert [p.span.text for p in parts if not isinstance(p, str)] == ["tasks[t]", "x.y + 1", ".col"]
    key = parts[0 + 1].key
    assert (key.span.start, key.span.source) == (text.index("t]"), source)
    assert isinstance(parts[3].left, Field)


def test_an_interpolation_may_hold_a_string() -> None:
    assert read("""\"{tasks['a}']}\"""").parts[0].key.literal == "a}"


def test_long_strings_drop_their_common_indentation() -> None:
    long = '"""\n    Question: {q}\n      deeper\n\n    end\n    """'
    question, _, rest = read(long).parts
    assert (question, rest) == ("Question: ", "\n  deeper\n\nend\n")
    assert read(long.replace('"""', "'''")).literal == "Question: {q}\n  deeper\n\nend\n"
    assert read('"""one\n  two\n  three"""').literal == "one\ntwo\nthree"
    assert read('"""a\\\n b"""'.replace("\\\n", "\n")).literal == "a\nb"


def test_line_ends_of_long_strings_are_plain() -> None:
    assert read('"""\r\n  a\r\n  b\r\n  """').literal == "a\nb\n"
    assert read("'''\r\n  a\r\n  b\r\n  '''").literal == "a\nb\n"

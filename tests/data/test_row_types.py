import pytest

from fusec.compiler.rowexpr import Col, Op, RowProblem, column_type, columns_read
from fusec.lang.column_types import parse_column_type

COLUMNS = {
    name: parse_column_type(text)
    for name, text in {
        "text": "Str",
        "n": "Int",
        "x": "Float",
        "ok": "Bool",
        "tags": "List[Str]",
        "meta": "{lang: Str, score: Float}",
        "day": "Other",
    }.items()
}
TEXT, N, X, OK, TAGS, META = (Col(name) for name in ("text", "n", "x", "ok", "tags", "meta"))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (TEXT, "Str"),
        (META, "{lang: Str, score: Float}"),
        ("gsm8k", "Str"),
        (True, "Bool"),
        (Op("+", (N, 1)), "Int"),
        (Op("+", (N, X)), "Float"),
        (Op("/", (N, 2)), "Float"),
        (Op("neg", (N,)), "Int"),
        (Op("+", (TEXT, "!")), "Str"),
        (Op("==", (N, X)), "Bool"),
        (Op("in", (N, Op("range", (1, 5)))), "Bool"),
        (Op("not in", (TEXT, Op("list", ("a", "b")))), "Bool"),
        (Op("in", ("x", TAGS)), "Bool"),
        (Op("field", (META, "lang")), "Str"),
        (Op("index", (TAGS, 0)), "Str"),
        (Op("index", (META, "score")), "Float"),
        (Op("len", (TAGS,)), "Int"),
        (Op("concat", ("Q: ", TEXT, N)), "Str"),
        (Op("has", (Op("field", (META, "lang")),)), "Bool"),
        (Op("tokens", (TEXT, object())), "Int"),
        (Op("list", ("a",)), "List[Str]"),
    ],
)
def test_types(expr: object, text: str) -> None:
    assert str(column_type(expr, COLUMNS)) == text


@pytest.mark.parametrize(
    ("expr", "kind", "at"),
    [
        (Op("len", (Col("txt"),)), "missing_column", Col("txt")),
        (Op("field", (META, "tone")), "missing_column", Op("field", (META, "tone"))),
        (Op("and", (OK, N)), "type", N),
        (Op("lower", (TAGS,)), "type", TAGS),
        (Op("<", (OK, OK)), "type", OK),
        (Op("==", (TEXT, N)), "type", Op("==", (TEXT, N))),
        (Op("==", (Col("day"), "2020")), "type", Col("day")),
        (Op("*", (TEXT, 2)), "type", TEXT),
        (Op("in", (N, TAGS)), "type", Op("in", (N, TAGS))),
        (Op("in", (TEXT, Op("range", (1, 2)))), "type", TEXT),
        (Op("concat", (X,)), "type", X),
        (Op("lenght", (TEXT,)), "function", Op("lenght", (TEXT,))),
        (Op("lower", (TEXT, TEXT)), "arity", Op("lower", (TEXT, TEXT))),
        (Op("range", (1, 2)), "value", Op("range", (1, 2))),
        (Op("matches", (TEXT, "(")), "value", "("),
        (Op("parses", (TEXT, "cobol")), "value", "cobol"),
        (Op("contains", (TEXT, TEXT)), "value", TEXT),
        (Op("has", (Op("len", (TEXT,)),)), "value", Op("len", (TEXT,))),
        (Op("index", (TAGS, 1.5)), "value", 1.5),
    ],
)
def test_what_is_wrong_and_where(expr: object, kind: str, at: object) -> None:
    problem = column_type(expr, COLUMNS)
    assert isinstance(problem, RowProblem)
    assert (problem.kind, problem.at) == (kind, at)


def test_columns_read_are_listed_once_in_order() -> None:
    assert columns_read(Op("and", (Op("==", (N, X)), Op("has", (Op("field", (META, "lang")),)), OK, N))) == (
        "n",
        "x",
        "meta",
        "ok",
    )

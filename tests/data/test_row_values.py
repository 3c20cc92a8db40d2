"""Row expressions against Python, and what they say about bad rows."""

import json
import operator
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.rowexpr import Col, Op, column_type
from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.kernels.data.rows import Rows, evaluate
from fusec.runtime.sources.arrow_types import from_arrow

A, B, S, T, TAGS, META = (Col(name) for name in ("a", "b", "s", "t", "tags", "meta"))
SCHEMA = pa.schema(
    {
        "a": pa.int64(),
        "b": pa.float64(),
        "s": pa.string(),
        "t": pa.string(),
        "tags": pa.list_(pa.string()),
        "meta": pa.struct({"lang": pa.string(), "n": pa.int64()}),
    }
)
words = st.text("aB é\t1.", max_size=8)
rows = st.fixed_dictionaries(
    {
        "a": st.integers(-20, 20),
        "b": st.floats(-5, 5, allow_subnormal=False),
        "s": words,
        "t": words,
        "tags": st.lists(st.sampled_from(["x", "y", "z"]), max_size=3),
        "meta": st.fixed_dictionaries({"lang": words, "n": st.integers(0, 9)}),
    }
)

REFERENCE = [
    (Op("or", (Op(">", (A, 0)), Op("==", (S, "a")))), lambda r: r["a"] > 0 or r["s"] == "a"),
    (Op("and", (Op("!=", (A, 0)), Op(">", (Op("/", (10, A)), 2)))),
     lambda r: r["a"] != 0 and 10 / r["a"] > 2),
    (Op("not", (Op("<", (A, B)),)), lambda r: not r["a"] < r["b"]),
    (Op("<=", (S, T)), lambda r: r["s"].encode() <= r["t"].encode()),
    (Op("in", (A, Op("range", (-3, 3)))), lambda r: -3 <= r["a"] <= 3),
    (Op("in", (B, Op("range", (A, 3)))), lambda r: r["a"] <= r["b"] <= 3),
    (Op("not in", (A, Op("list", (1, 2.5, 3)))), lambda r: r["a"] not in (1, 2.5, 3)),
    (Op("in", (S, Op("list", ()))), lambda r: False),
    (Op("in", ("x", TAGS)), lambda r: "x" in r["tags"]),
    (Op("in", (S, TAGS)), lambda r: r["s"] in r["tags"]),
    (Op("+", (Op("*", (A, 3)), Op("neg", (A,)))), lambda r: r["a"] * 3 - r["a"]),
    (Op("-", (B, A)), lambda r: r["b"] - r["a"]),
    (Op("+", (S, T)), lambda r: r["s"] + r["t"]),
    (Op("field", (META, "lang")), lambda r: r["meta"]["lang"]),
    (Op("index", (META, "n")), lambda r: r["meta"]["n"]),
    (Op("concat", ("Q: ", S, "\n", A)), lambda r: f"Q: {r['s']}\n{r['a']}"),
    (Op("len", (S,)), lambda r: len(r["s"])),
    (Op("len", (TAGS,)), lambda r: len(r["tags"])),
    (Op("lower", (S,)), lambda r: r["s"].lower()),
    (Op("upper", (S,)), lambda r: r["s"].upper()),
    (Op("strip", (S,)), lambda r: r["s"].strip()),
    (Op("matches", (S, r"a\s|^B")), lambda r: re.search(r"a\s|^B", r["s"]) is not None),
    (Op("parses", (S, "json")), lambda r: _json(r["s"])),
    (Op("contains", (S, "a")), lambda r: "a" in r["s"]),
    (Op("starts_with", (S, "a")), lambda r: r["s"].startswith("a")),
    (Op("replace", (S, "a", "..")), lambda r: r["s"].replace("a", "..")),
    (Op("and", (Op(">", (Op("len", (TAGS,)), 1)), Op("==", (Op("index", (TAGS, -1)), "z")))),
     lambda r: len(r["tags"]) > 1 and r["tags"][-1] == "z"),
    (Op("has", (Op("index", (TAGS, 1)),)), lambda r: len(r["tags"]) > 1),
    ("gsm8k", lambda r: "gsm8k"),
    (Op("list", ("a", "b")), lambda r: ["a", "b"]),
    (Op("not", (Op("==", (1, 1)),)), lambda r: False),
]  # fmt: skip


def _json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def batch_of(*rows: dict[str, object]) -> Rows:
    return Rows(pa.RecordBatch.from_pylist(list(rows), schema=SCHEMA))


@given(st.lists(rows, max_size=5))
def test_every_operator_agrees_with_python(some: list[dict[str, object]]) -> None:
    for expr, reference in REFERENCE:
        assert evaluate(expr, batch_of(*some)).to_pylist() == [reference(row) for row in some], expr


def test_types_are_what_the_checker_promises() -> None:
    columns = {field.name: from_arrow(field.type) for field in SCHEMA}
    for expr in (*(expr for expr, _ in REFERENCE), Op("list", (1, 2.5)), Op("-", (A, B)), META, TAGS):
        assert from_arrow(evaluate(expr, batch_of()).type) == column_type(expr, columns), expr


def test_slices_of_batches_know_their_place() -> None:
    batch = pa.RecordBatch.from_pydict({"tags": [["p"], ["q", "r"], ["s"]]}).slice(1)
    assert evaluate(Op("index", (TAGS, 0)), Rows(batch)).to_pylist() == ["q", "s"]


ROW = {"a": 1, "b": 1.0, "s": "x", "t": "y", "tags": ["x"], "meta": {"lang": None, "n": 1}}


@pytest.mark.parametrize(
    ("expr", "bad", "message"),
    [
        (Op("len", (S,)), {"s": None}, r"row 2 has no value in `\.s`"),
        (Op("==", (S, "x")), {"s": None}, r"row 2 has no value in `\.s`"),
        (Op("not", (Op(">", (A, 1)),)), {"a": None}, r"row 2 has no value in `\.a`"),
        (Op("in", (A, Op("range", (0, 1)))), {"a": None}, r"row 2 has no value in `\.a`"),
        (Op("concat", ("a", S)), {"s": None}, r"row 2 has no value in `\.s`"),
        (Op("field", (META, "n")), {"meta": None}, r"row 2 has no value in `\.meta`"),
        (Op("/", (1, A)), {"a": 0}, r"row 2: `1 / \.a` fails, it divides by zero"),
        (Op("*", (A, A)), {"a": 2**62}, r"row 2: `\.a \* \.a` fails, overflow"),
        (Op("index", (TAGS, 0)), {"tags": []}, r"row 2: `\.tags` has no item 0"),
    ],
)
def test_a_row_that_cannot_be_computed_is_named(expr: object, bad: dict[str, object], message: str) -> None:
    with pytest.raises(RunError, match=message):
        evaluate(expr, batch_of(ROW, ROW | bad, ROW))


def test_has_guards_what_stands_behind_and() -> None:
    guarded = Op("and", (Op("has", (S,)), Op(">", (Op("len", (S,)), 0))))
    assert evaluate(guarded, batch_of(ROW, ROW | {"s": None})).to_pylist() == [True, False]


def test_rows_behind_and_keep_their_numbers() -> None:
    expr = Op("and", (Op("==", (A, 1)), Op("==", (S, "x"))))
    with pytest.raises(RunError, match="row 13 has no value"):
        evaluate(expr, Rows(batch_of(ROW, ROW | {"a": 2}, ROW | {"s": None}).batch, first=10))


def test_has_looks_into_rows_that_are_missing() -> None:
    has_lang = Op("has", (Op("field", (META, "lang")),))
    some = batch_of(ROW, ROW | {"meta": None}, ROW | {"meta": {"lang": "en", "n": None}})
    assert evaluate(has_lang, some).to_pylist() == [False, False, True]


def test_a_copied_column_keeps_missing_values() -> None:
    assert evaluate(S, batch_of(ROW | {"s": None})).to_pylist() == [None]


def test_python_is_parsed_and_never_run() -> None:
    some = batch_of(
        *(ROW | {"s": text} for text in ("x = 1", "x = ", "\0", "raise SystemExit", "'\\d'", "(" * 999))
    )
    assert evaluate(Op("parses", (S, "python")), some).to_pylist() == [True, False, False, True, True, False]


def test_tokens_are_counted_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    count = Op("tokens", (S, Artifact("tokenizer", folder, "t")))
    assert evaluate(count, batch_of(ROW | {"s": "a a b a"}, ROW | {"s": ""})).to_pylist() == [4, 0]


def test_comparisons_follow_operator_names() -> None:
    for name in ("==", "!=", "<", "<=", ">", ">="):
        python = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[name]
        found = evaluate(Op(name, (A, 1)), batch_of(*(ROW | {"a": a} for a in (0, 1, 2))))
        assert found.to_pylist() == [getattr(operator, python)(a, 1) for a in (0, 1, 2)]

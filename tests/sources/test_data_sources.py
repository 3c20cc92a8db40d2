"""Data sources: what headers tell, what pinning adds, and the rows that come out."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusec.runtime.kernel import RunError
from fusec.runtime.sources import READS


def jsonl(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- text ------------------------------------------------------------------------


def test_a_text_file_is_one_document(desk: Any) -> None:
    desk.write("b.txt", "two\r\nlines\n")
    desk.write("a.txt", "\ufeffone\n")
    assert desk.facts("*.txt").rows == 2
    assert desk.rows("*.txt") == [{"text": "one\n"}, {"text": "two\nlines\n"}]


def test_lines_and_paragraphs(desk: Any) -> None:
    desk.write("a.txt", "one\ntwo\n\n \n\nthree\n")
    assert [r["text"] for r in desk.rows("a.txt", sample_by="line")] == ["one", "two", "", " ", "", "three"]
    assert [r["text"] for r in desk.rows("a.txt", sample_by="paragraph")] == ["one\ntwo", "three"]


def test_strings_of_python_source(desk: Any) -> None:
    desk.write(
        "m.py",
        '"""Long docstring."""\nx = {"k": "a long value"}\ny = f"not {x} this long one"\n"""short"""\n',
    )
    found = [r["text"] for r in desk.rows("m.py", format="python_strings", min_chars=10)]
    assert found == ["Long docstring.", "a long value"]


def test_source_that_is_no_python_names_the_line(desk: Any) -> None:
    desk.write("m.py", "x = 1\ny =\n")
    problem = desk.problem("m.py", format="python_strings", pinning=True)
    assert problem.what == "m.py line 2 is not Python: invalid syntax"


@pytest.mark.parametrize(
    ("name", "content", "offset"),
    [
        ("a.txt", b"ab\xffcd", 2),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xc3("}\n', 16),
        ("a.csv", b"a,b\n1,\xe9\n", 6),
    ],
)
def test_text_that_is_not_utf8_names_the_byte(desk: Any, name: str, content: bytes, offset: int) -> None:
    desk.write(name, content)
    problem = desk.problem(name, pinning=name.endswith("txt"))
    assert problem.what == f"{name} is not UTF-8 text: byte {offset} does not decode"


# --- JSON Lines --------------------------------------------------------------------


def test_nested_json_becomes_nested_columns(desk: Any) -> None:
    rows = [
        {"id": 1, "turns": [{"role": "user", "text": "hi"}], "6b": {"ok": True}},
        {"id": 2.5, "turns": [], "6b": {"ok": False, "why": "x"}},
        {"id": 3, "turns": [], "note": None},
    ]
    desk.write("a.jsonl", jsonl(*rows))
    assert desk.facts("a.jsonl").columns == (
        ("id", "Float"),
        ("turns", "List[{role: Str, text: Str}]"),
        ("6b", "{ok: Bool, why: Str}"),
        ("note", "Null"),
    )
    assert desk.rows("a.jsonl") == [
        {"id": 1.0, "turns": [{"role": "user", "text": "hi"}], "6b": {"ok": True, "why": None}, "note": None},
        {"id": 2.5, "turns": [], "6b": {"ok": False, "why": "x"}, "note": None},
        {"id": 3.0, "turns": [], "6b": None, "note": None},
    ]


def test_a_value_that_its_column_cannot_hold_is_named(desk: Any) -> None:
    desk.write("a.jsonl", f'{{"a": 0.5}}\n{{"a": {2**60 + 1}}}\n')
    facts = desk.pinned("a.jsonl")
    with pytest.raises(RunError, match=r"a\.jsonl line 2 is not a row: `a`: Integer value"):
        desk.open("a.jsonl", facts)


def test_a_file_without_rows_has_no_columns(desk: Any) -> None:
    desk.write("a.jsonl", "\n")
    desk.write("b.jsonl", jsonl({"a": 1}))
    assert desk.problem("a.jsonl").what == "a.jsonl holds no row with a column"
    desk.write("a.jsonl", "")
    assert desk.rows("*.jsonl") == [{"a": 1}]


def test_pinning_sees_the_rows_behind_the_first_block(desk: Any) -> None:
    desk.write("a.jsonl", jsonl(*[{"a": "x" * 999}] * 1200, {"a": "y", "b": 1}))
    assert desk.facts("a.jsonl").columns == (("a", "Str"),)
    facts = desk.pinned("a.jsonl")
    assert (facts.columns, facts.rows) == ((("a", "Str"), ("b", "Int")), 1201)
    assert desk.open("a.jsonl").column("b").null_count == 1200


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Input data was truncated"),
        ("[1]", "a JSON array, where a row is an object"),
        ("null", "a JSON null, where a row is an object"),
        ('{"a": "x"}', "`a` is Str here and Int on earlier lines"),
        ('{"a": [1, "x"]}', "`a` holds a list of several types"),
        ('{"a": 9223372036854775808}', "`a` holds 9223372036854775808, beyond 64 bits"),
    ],
)
def test_a_bad_line_is_named(desk: Any, line: str, why: str) -> None:
    desk.write("a.jsonl", f'{{"a": 1}}\n\n{line}\n')
    assert desk.problem("a.jsonl").what == f"a.jsonl line 3 is not a row: {why}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries({"a": st.text(max_size=4), "b": st.lists(st.integers(-5, 5), max_size=2)}),
        min_size=1,
    )
)
def test_json_rows_come_back_as_they_were(desk: Any, rows: list[dict[str, Any]]) -> None:
    desk.write("a.jsonl", jsonl(*rows))
    assert desk.rows("a.jsonl") == rows


# --- CSV ---------------------------------------------------------------------------


def test_csv_columns_are_typed_by_all_their_cells(desk: Any) -> None:
    desk.write(
        "a.csv", 'n,x,ok,id,"two\nlines"\n1,1,true,007,"a ""b"", c"\n-2,.5e1,False,1,\n,2.5,,2,"d\ne"\n'
    )
    desk.write(
        "b.csv", 'n,x,ok,id,"two\nlines"\n1,0.5,true,007,"a ""b"", c"\n-2,5e1,False,1,\n,2,,2,"d\ne"\n'
    )
    assert dict(desk.facts("a.csv").columns)["x"] == "Str"
    facts = desk.pinned("b.csv")
    assert facts.columns == desk.facts("b.csv").columns
    assert facts.columns == (
        ("n", "Int"),
        ("x", "Float"),
        ("ok", "Bool"),
        ("id", "Str"),
        ("two\nlines", "Str"),
    )
    assert [tuple(row.values()) for row in desk.rows("b.csv")] == [
        (1, 0.5, True, "007", 'a "b", c'),
        (-2, 50.0, False, "1", ""),
        (None, 2.0, None, "2", "d\ne"),
    ]


def test_delimiter_and_escape_are_options(desk: Any) -> None:
    desk.write("a.csv", 'a#b\n1#"x \\"y\\""\n')
    assert desk.rows("a.csv", delimiter="#", escape="\\") == [{"a": 1, "b": 'x "y"'}]
    desk.write("a.tsv", "a\tb\n1\t2\n")
    assert desk.rows("a.tsv") == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is empty, a header is the least"),
        ("a,a\n1,2\n", "two columns are called `a`"),
        ("a,\n1,2\n", "column 2 has no name"),
        ("a,b\n1,2\n3\n", "a record has 1 cells, the header 2: '3', ..."),
    ],
)
def test_a_bad_table_is_named(desk: Any, content: str, why: str) -> None:
    desk.write("a.csv", content)
    assert desk.problem("a.csv").what == f"a.csv is not a table: {why}"


def test_tables_with_other_columns_do_not_mix(desk: Any) -> None:
    desk.write("a.csv", "a,b\n1,2\n")
    desk.write("b.csv", "a,c\n1,2\n")
    problem = desk.problem("*.csv", pinning=True)
    assert problem.what == "b.csv is not a table: its columns are a, c, those before a, b"


# --- Parquet -------------------------------------------------------------------------


def test_parquet_of_any_writer_gives_the_same_bytes(desk: Any) -> None:
    table = pa.table({"s": ["a", "b", None, "a"], "i": [1, 2, 3, 4], "l": [["x"], [], None, ["y"]]})
    other = pa.table(
        {
            "s": table["s"].cast(pa.large_string()).dictionary_encode(),
            "i": table["i"].cast(pa.uint8()),
            "l": table["l"].cast(pa.large_list(pa.large_string())),
        }
    )
    pq.write_table(table, desk.base / "a.parquet")
    pq.write_table(
        other.replace_schema_metadata({"writer": "other"}), desk.base / "b.parquet", row_group_size=1
    )
    facts = desk.facts("a.parquet")
    assert (facts.columns, facts.rows) == ((("s", "Str"), ("i", "Int"), ("l", "List[Str]")), 4)
    assert desk.open("a.parquet").equals(table)
    desk.open("b.parquet")
    assert (desk.out / "1" / "data.arrow").read_bytes() == (desk.out / "2" / "data.arrow").read_bytes()


def test_dates_pass_through_parquet(desk: Any) -> None:
    table = pa.table({"day": pa.array([1, 2], pa.date32())})
    pq.write_table(table, desk.base / "a.parquet")
    assert desk.facts("a.parquet").columns == (("day", "Other"),)
    assert desk.open("a.parquet").equals(table)


def test_a_file_that_is_not_parquet_is_named(desk: Any) -> None:
    desk.write("a.parquet", b"PAR1 but no more")
    assert desk.problem("a.parquet").what.startswith("a.parquet is not a readable Parquet file")


# --- pins ------------------------------------------------------------------------------------


def test_a_pin_knows_neither_paths_nor_times(desk: Any) -> None:
    import os

    path = desk.write("a/x.jsonl", jsonl({"a": 1}))
    before = desk.pinned("a/x.jsonl")
    shutil.copytree(desk.base / "a", desk.base / "b")
    os.utime(path, (1, 1))
    assert desk.pinned("b/*.jsonl").pin == desk.pinned("a/x.jsonl").pin == before.pin
    assert desk.facts("b/x.jsonl").pin == desk.facts("a/x.jsonl").pin != before.pin
    desk.write("a/x.jsonl", jsonl({"a": 2}))
    assert desk.pinned("a/x.jsonl").pin != before.pin


def test_a_file_that_changed_since_the_lock_is_refused(desk: Any) -> None:
    desk.write("x.jsonl", jsonl({"a": 1}))
    facts = desk.pinned("x.jsonl")
    desk.write("x.jsonl", jsonl({"a": 2}))
    with pytest.raises(RunError, match=r"x\.jsonl of `x\.jsonl` changed since it was locked") as caught:
        desk.open("x.jsonl", facts)
    assert "fusec lock --update" in caught.value.hint
    assert not (desk.out / "1").exists()


def test_a_file_that_went_away_is_named(desk: Any) -> None:
    desk.write("a.txt", "x")
    desk.write("b.txt", "y")
    facts = desk.pinned("*.txt")
    (desk.base / "a.txt").unlink()
    with pytest.raises(RunError, match=r"a\.txt of `\*\.txt` is gone"):
        desk.open("*.txt", facts)


def test_rows_do_not_depend_on_how_files_cut_them(desk: Any) -> None:
    rows = [{"a": f"{n}"} for n in range(5000)]
    desk.write("one/a.jsonl", jsonl(*rows))
    for part in range(10):
        desk.write(f"many/{part}.jsonl", jsonl(*rows[part * 500 : part * 500 + 500]))
    desk.open("one/*.jsonl"), desk.open("many/*.jsonl")
    assert (desk.out / "1" / "data.arrow").read_bytes() == (desk.out / "2" / "data.arrow").read_bytes()


def test_inspection_reads_no_payload(desk: Any) -> None:
    desk.write("a.jsonl", jsonl(*[{"a": "x" * 1000}] * 5000))
    before = (READS.headers, READS.payload)
    desk.facts("a.jsonl")
    assert READS.headers - before[0] <= 1 << 20
    assert READS.payload == before[1]


# --- real files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("gsm8k_train_600", 600),
        ("gsm8k_test_400", 400),
        ("gsm8k_model_solutions_300", 300),
        ("self_instruct_seed_tasks", 175),
        ("humaneval", 164),
        ("pubmedqa_labelled_200", 200),
    ],
)
def test_real_instructions_come_back_as_they_were(desk: Any, shared: Path, name: str, rows: int) -> None:
    path = shared / "data" / "text" / f"{name}.jsonl"
    written = [json.loads(line) for line in path.read_text().split("\n") if line]
    assert desk.pinned(str(path)).rows == rows
    assert desk.rows(str(path)) == written


def _same(cell: str, value: Any) -> bool:
    if value is None:
        return cell == ""
    return cell == value if isinstance(value, str) else float(cell) == value


def test_real_tables_are_read_cell_by_cell(desk: Any, shared: Path) -> None:
    import csv

    folder = shared / "data" / "tables" / "wtq" / "csv"
    paths = sorted(folder.glob("*.csv"))
    read = 0
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            header, *records = csv.reader(file, escapechar="\\")
        if len(set(header)) < len(header) or not all(header):
            assert "column" in desk.problem(str(path), escape="\\").what
            continue
        rows = desk.rows(str(path), escape="\\")
        cells = [cell for record in records for cell in record]
        values = [row[name] for row in rows for name in header]
        assert all(map(_same, cells, values)), path.name
        assert len(cells) == len(values), path.name
        read += 1
    assert read > len(paths) // 2

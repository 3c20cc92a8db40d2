"""The text of the IR: it reads back to the same graph, looks like the language, and is never guessed at."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import graphs
from hypothesis import given
from hypothesis import strategies as st
from world import check_text

from fusec.compiler.ir import Call, Graph, Pairs, Ref
from fusec.compiler.irtext import IrError, read_ir, write_ir
from fusec.compiler.irvalues import read_value, write_value
from fusec.compiler.lower import lower
from fusec.compiler.rowexpr import Col, Op

A, B = Col("a"), Col("b")


@given(graphs())
def test_text_reads_back_to_the_same_graph(graph: Graph) -> None:
    text = write_ir(graph)
    again = read_ir(text)
    assert again == graph
    # Equality takes 1, 1.0 and True for one value, and any order of nodes; what is printed does not.
    assert repr(again) == repr(graph)
    assert write_ir(again) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none", None),
        ("true", True),
        ("-5", -5),
        ("1e-05", 1e-05),
        ('"{{a}} \\"b\\"\\n"', '{a} "b"\n'),
        ("%base", Ref("base")),
        ("%expert[math]/data.train", Ref("expert[math]/data", "train")),
        ('%"expert[a b]"', Ref("expert[a b]")),
        ("average", Call("average")),
        ("ties(density: 0.5, normalize: true)", Call("ties", (("density", 0.5), ("normalize", True)))),
        ("[%a, %b]", (Ref("a"), Ref("b"))),
        ("[%a: 0.6, %b: 0.4]", Pairs(((Ref("a"), 0.6), (Ref("b"), 0.4)))),
        ("[]", ()),
        ('["x", [1, 2.0]]', ("x", (1, 2.0))),
        (".a > 10 and .b", Op("and", (Op(">", (A, 10)), B))),
        ("len(.b) in 3..9", Op("in", (Op("len", (B,)), Op("range", (3, 9))))),
        ("(.a or .b) and not .a", Op("and", (Op("or", (A, B)), Op("not", (A,))))),
        ("not (.a and .b)", Op("not", (Op("and", (A, B)),))),
        (".a - (.b - 1) * -2", Op("-", (A, Op("*", (Op("-", (B, 1)), -2))))),
        ("-.a", Op("neg", (A,))),
        ("neg(5)", Op("neg", (5,))),
        ('"and"(.a, .b, .a)', Op("and", (A, B, A))),
        ('.a not in ["x", "y"]', Op("not in", (A, Op("list", ("x", "y"))))),
        ('list("x", "y")', Op("list", ("x", "y"))),
        ('.a[0].name', Op("field", (Op("index", (A, 0)), "name"))),
        ('concat("Q: ", .a)', Op("concat", ("Q: ", A))),
        ("tokens(.a, %words)", Op("tokens", (A, Ref("words")))),
    ],
)  # fmt: skip
def test_values_look_like_the_language(text: str, value: Any) -> None:
    assert write_value(value) == text
    assert repr(read_value(text)) == repr(value)


def test_a_merge_as_a_reader_sees_it() -> None:
    typed, problems = check_text("""edition 2026
model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
model merged = merge { base: base, experts: [math], method: average }
report after = evaluate { model: merged, data: text }
data text from "fixture:text"
check after.loss < 3 else "too high"
output merged to "./out"
""")
    assert not problems
    lines = write_ir(lower(typed)).splitlines()
    assert lines[0] == "ir 1"
    assert lines[1].startswith('%base = source.model r1 { uri: "fixture:llama-a", pin: "')
    assert ' : Model[llama_b97949, bf16, identity: "fixture:llama-a", root: "fixture:llama-a", ' in lines[1]
    assert lines[3].startswith(
        "%merged = merge r1 (base: %base, experts: [%math]) { method: average, rules: [], keep: [], "
    )
    assert lines[3].endswith(" exact @ spec.fuse:4:16")
    assert lines[4].endswith(" : Data[{text: Str}, rows: 1000, bytes: 100000] exact @ spec.fuse:6:16")
    assert lines[6:] == [
        'goal output(%merged, "./out") @ spec.fuse:8:1',
        'goal check(%after.loss < 3, text: "after.loss < 3", message: "too high") @ spec.fuse:7:1',
    ]


NODE = '%b = source.model r1 { uri: "x", pin: "y" } : Unknown exact'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("merge everything", "`%name` is missing at `merge everything`"),
        ("%m merge r1 : Unknown exact", "`= verb r1` is missing at `merge r1"),
        ("%m = merge : Unknown exact", "`= verb r1` is missing"),
        ("%m = merge r1 { keep: [] ", "this `{` is never closed"),
        ("%m = merge r1 { [] } : Unknown exact", "`[]` lacks a name"),
        ("%m = merge r1 { keep: [1 2] } : Unknown exact", "comma"),
        ("%m = merge r1 { keep: if } : Unknown exact", ""),
        ('%m = merge r1 { keep: "{x}" } : Unknown exact', '`"{x}"` is not a value of the IR'),
        ("%m = merge r1 { size: 24 GB } : Unknown exact", "`24 GB` is not a value of the IR"),
        ("%m = merge r1 (base: %c) : Unknown exact", "%c is not made on a line above"),
        ("%m = merge r1 (base: %m) : Unknown exact", "%m is not made on a line above"),
        (NODE, "%b is made twice"),
        ("%m = merge r1 Unknown exact", "`: Type` is missing at `Unknown exact`"),
        ("%m = merge r1 : Thing[x] exact", "there is no type Thing[x]"),
        ("%m = merge r1 : Model[llama, bf16, vocab: 64] exact", "missing required field"),
        ('%m = merge r1 : Tokenizer[vocab: "many", fingerprint: "x"] exact', "Expected `int`"),
        ("%m = merge r1 : Data[{text: Strr}] exact", "is not a column type"),
        ("%m = merge r1 : Unknown", "the grade is missing at the end"),
        ("%m = merge r1 : Unknown exact, really", "`, really` does not belong here"),
        ("goal publish(%b)", "is missing at `goal publish(%b)`"),
        ("goal output(%b)", "this is not what `goal output` holds"),
        ('goal output(b, "./out")', "`b` is not a reference"),
        ("goal keep(%c)", "%c is not made on a line above"),
    ],
)
def test_a_broken_line_is_named_with_its_reason(line: str, reason: str) -> None:
    with pytest.raises(IrError) as caught:
        read_ir(f"ir 1\n{NODE}\n\n{line}\n")
    assert caught.value.line == 4
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "begins with `ir 1`"), (NODE, "begins with `ir 1`"), ("ir 2\n", "this is IR 2, the newest")],
)
def test_the_first_line_says_which_ir_it_is(text: str, reason: str) -> None:
    with pytest.raises(IrError, match=reason) as caught:
        read_ir(text)
    assert caught.value.line == 1


@given(graphs(), st.data())
def test_a_damaged_text_is_read_or_refused_but_never_breaks_the_reader(
    graph: Graph, data: st.DataObject
) -> None:
    text = write_ir(graph)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    put = data.draw(
        st.sampled_from(("", "(", "]", '"', "\\", "%", ":", ",", " @ ", "goal ", "{x}", "none", "\n", "é"))
    )
    try:
        damaged = read_ir(text[:at] + put + text[at + cut :])
    except IrError:
        return
    assert read_ir(write_ir(damaged)) == damaged

"""The tree of a spec: what it holds, where each node was read from, and what is left after a mistake."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.lexer import words
from fusec.lang.parse import MAX_DEPTH, parse, parse_expr, parse_type
from fusec.lang.source import Source, Span
from fusec.lang.tables import GRAMMAR, build, load
from fusec.lang.tree import (
    Bind,
    Broken,
    Call,
    Comprehension,
    From,
    Map,
    Name,
    Node,
    Param,
    Ref,
    Step,
    TypeApply,
    Use,
    dump,
)


def nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
        for name in value.__struct_fields__:
            yield from nodes(getattr(value, name))
    elif isinstance(value, tuple) and not isinstance(value, Span):
        for item in value:
            yield from nodes(item)


def decl(text: str) -> Any:
    parsed = parse(Source("spec.fuse", "edition 2026\n" + text))
    assert not parsed.problems, parsed.problems
    return parsed.file.declarations[1]


def expr(text: str) -> Any:
    value, problems = parse_expr(Source("expr", text))
    assert not problems, problems
    return value


def test_tables_are_those_of_the_grammar() -> None:
    assert build(GRAMMAR.read_text(encoding="utf-8")) == load()


def test_parsing_does_without_lark() -> None:
    code = (
        "import sys; from fusec.lang.parse import parse; from fusec.lang.source import Source;"
        "parse(Source('', 'edition 2026')); sys.exit('lark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_specs_parse_without_problems(spec: str) -> None:
    parsed = parse(Source("spec.fuse", spec))
    assert parsed.problems == ()
    keywords = [
        token for token in words(parsed.file.source).tokens if spec[token.start - 1 : token.start] in "\n"
    ]
    assert len(parsed.file.declarations) == len(
        [t for t in keywords if t.kind.isupper() and t.kind != "NAME"]
    )


def test_spans_hold_exactly_their_text(spec: str) -> None:
    source = Source("spec.fuse", spec)
    for node in nodes(parse(source).file.declarations):
        text = node.span.text
        assert text == text.strip() and text
        assert node.span.source is source
        if isinstance(node, Name):
            assert text == node.id


def test_expressions_reparse_from_their_own_span(spec: str) -> None:
    """Each expression, cut out by its span, parses to the same expression."""
    for node in nodes(parse(Source("spec.fuse", spec)).file.declarations):
        if type(node).__name__ in (
            "Binary",
            "Call",
            "Step",
            "List",
            "Map",
            "Comprehension",
            "Text",
            "Pipeline",
        ):
            assert dump(expr(node.span.text)) == dump(node)


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("a or b and not c == d", "a or (b and (not (c == d)))"),
        ("a + b * -c.d[0](x)", "a + (b * (-(((c.d)[0])(x))))"),
        ("x not in 1 + 2 .. 3", "x not in ((1 + 2)..3)"),
        ("a |> f { x: 1 } |> g", "(a) |> f { x: (1) } |> g"),
        ("if a then b else if c then d else e", "if a then b else (if c then d else e)"),
        ("a - b - c", "(a - b) - c"),
    ],
)
def test_operators_bind_as_usual(text: str, same_as: str) -> None:
    assert dump(expr(text)) == dump(expr(same_as))


def test_declarations_keep_their_parts() -> None:
    bind = decl(
        "## Eight of them.\n"
        'model m[t in tasks]: Model[_, root: base] from "hf:{t}" { a: 1 } |> f |> g { b: .c }'
    )
    assert isinstance(bind, Bind) and isinstance(bind.value, From)
    assert (bind.doc, bind.kind, bind.name.id) == ("Eight of them.", "model", "m")
    assert bind.family is not None and bind.family.variable.id == "t"
    assert isinstance(bind.type, TypeApply) and [arg.name and arg.name.id for arg in bind.type.args] == [
        None,
        "root",
    ]
    assert [stage.block is None for stage in bind.value.stages] == [True, False]

    use = decl('use "c.fuse"(domain: d, seed: 1) as c[d in domains]')
    assert isinstance(use, Use) and len(use.args) == 2 and use.family is not None
    param = decl("param seed: Int")
    assert isinstance(param, Param) and param.default is None


def test_comprehensions_of_lists_and_maps() -> None:
    value = expr("[d: 1.0 for d in domains if d != a]")
    assert isinstance(value, Comprehension) and value.condition is not None
    assert expr("[e |> task_vector { base: base } for e in expert]").condition is None
    assert dump(expr("[]")) == dump(expr("[ ]"))


def test_text_of_the_ir() -> None:
    text = "merge(base: %base, experts: [%math/x: 0.6, %expert[code].v: 40%]) { method: ties(a: 1), n: 24 B }"
    value, problems = parse_expr(Source("ir", text), refs=True)
    assert not problems and isinstance(value, Step) and isinstance(value.verb, Call)
    experts = value.verb.args[1].value
    assert (
        isinstance(experts, Map)
        and [e.key for e in experts.entries if isinstance(e.key, Ref)][1].id == "%expert[code].v"
    )
    kind, problems = parse_type(Source("ir", 'Model[qwen3_8b, 4, root: %base, hash: "4c1f"]'), refs=True)
    assert not problems and isinstance(kind, TypeApply) and len(kind.args) == 4
    assert parse_type(Source("ir", "Model[4]"))[1]


def test_a_broken_declaration_keeps_its_name_and_spares_the_others() -> None:
    text = 'edition 2026\nmodel a from "x"\nmodel b = merge { base = a }\ndata c from "y"\nuse "m" 3 as d\n'
    declarations = parse(Source("spec.fuse", text)).file.declarations
    broken = [d for d in declarations if isinstance(d, Broken)]
    assert [(b.kind, b.name and b.name.id) for b in broken] == [("model", "b"), ("use", "d")]
    assert len(declarations) == 5


def test_a_missing_closer_is_put_where_it_belongs() -> None:
    good = "edition 2026\nmodel m = merge {\n  a: [b, c]\n  method: ties(x: 0.5)\n}\noutput m to 'x'\n"
    tree = dump(parse(Source("spec.fuse", good)).file)
    for missing in ("]", ")", "}"):
        parsed = parse(Source("spec.fuse", good.replace(missing, "", 1)))
        assert [p.code for p in parsed.problems] == ["FUSE001"]
        assert dump(parsed.file) == tree


def test_safe_fixes_mend_the_text() -> None:
    for text in (
        "model m = merge {\n  experts: [a, b\n  n: 24 GBs\n}",
        "model m = merge { a = 1, b: ties(density=0.5) }",
        "model m = merge { a: 1 b: 2 }\n  model n from “x”",
        "model a from 'x'\nedition 2026",
        "edition 2026\nmodel m = merge {\n  a: 1",
        "edition 2026\nlet a = [b c, 2];",
        "edition 2026\nlet\ta = 1\n\tlet b = 2  ## c",
    ):
        for _ in range(4):
            problems = parse(Source("spec.fuse", text)).problems
            edits = [
                edit for p in problems[:1] for fix in p.fixes() if fix.grade == "safe" for edit in fix.edits
            ]
            for edit in sorted(edits, key=lambda edit: -edit.span.start):
                text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        assert parse(Source("spec.fuse", text)).problems == (), text


@given(st.text())
def test_any_text_gives_a_tree(text: str) -> None:
    parse(Source("any", text))
    parse_expr(Source("any", text), refs=True)
    parse_type(Source("any", text), refs=True)


SCRAPS = st.sampled_from(
    [*"\n {}[]()\"'#:=,.|>%é“\t\\;$-", '"""', "\nmodel ", "if ", "##", "24 GBs", "{x", "1e999"]
)


@given(st.data())
def test_mutated_specs_give_a_tree_and_messages(specs: list[str], data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(specs))
    for _ in range(data.draw(st.integers(1, 5))):
        at, gone = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 9))
        text = text[:at] + data.draw(SCRAPS) + text[at + gone :]
    parsed = parse(Source("mutated", text))
    dump(parsed.file)
    for problem in parsed.problems:
        assert problem.title() and all(mark.span.end <= len(text) for mark in problem.marks())
        problem.why(), problem.fixes(), problem.see()


def test_one_lost_token_gives_few_messages(specs: list[str]) -> None:
    text = max(specs, key=len)
    counts = []
    for token in words(Source("spec.fuse", text)).tokens:
        problems = parse(Source("spec.fuse", text[: token.start] + text[token.end :])).problems
        counts.append(len(problems))
    assert sum(count <= 2 for count in counts) == len(counts)
    assert sum(count <= 1 for count in counts) >= 0.98 * len(counts)


@pytest.mark.parametrize(
    "deep", ["(" * 5000 + ")" * 5000, "[" * 3000, "a" + " + a" * 5000, "-" * 5000 + "1", "9" * 9000]
)
def test_no_depth_and_no_number_is_too_much(deep: str) -> None:
    parsed = parse(Source("deep", f"edition 2026\nlet a = {deep}\n"))
    assert len(parsed.problems) >= 1
    dump(parsed.file)


def test_ordinary_depth_is_fine() -> None:
    assert decl("let a = " + "(1 + " * (MAX_DEPTH - 10) + "1" + ")" * (MAX_DEPTH - 10))


def test_windows_line_ends_change_nothing(spec: str) -> None:
    windows = parse(Source("w", spec.replace("\n", "\r\n")))
    assert windows.problems == ()
    assert dump(windows.file) == dump(parse(Source("u", spec)).file)


def test_docs_ride_along_and_do_not_count() -> None:
    with_doc = parse(Source("d", "## One.\nedition 2026\n\n## Two\n##  lines.\n\nlet a = 1\n")).file
    assert [d.doc for d in with_doc.declarations] == ["One.", "Two\n lines."]
    assert dump(with_doc) == dump(parse(Source("p", "edition 2026\nlet a=1")).file)
    assert msgspec.structs.replace(with_doc.declarations[0], doc="").doc == ""

"""Thousands of declarations in the worst order, and one with thousands of stages: all are followed."""

from __future__ import annotations

import pytest
from world import check_text

from fusec.compiler.irsteps import lower_slots


def backwards(count: int) -> str:
    """Every step is declared before the one it starts from."""
    steps = [f"data x{n} = x{n + 1} |> shuffle {{ seed: {n} }}" for n in range(count)]
    steps += [f'data x{count} from "fixture:text"', 'output x0 to "./out/x.jsonl"']
    return "edition 2026\n" + "\n".join(steps) + "\n"


@pytest.mark.parametrize("count", [30, 3000])
def test_a_chain_in_reverse_order_is_followed(count: int) -> None:
    typed, problems = check_text(backwards(count))
    assert not problems
    assert len(typed.steps) == count + 1


def test_a_long_cycle_is_one_message() -> None:
    text = backwards(3000).replace('data x3000 from "fixture:text"', "data x3000 = x0 |> shuffle { seed: 1 }")
    _, problems = check_text(text)
    assert [problem.code for problem in problems] == ["FUSE002"]


def test_a_declaration_of_many_stages_is_followed() -> None:
    stages = "".join(f"  |> shuffle {{ seed: {n} }}\n" for n in range(3000))
    text = f'edition 2026\ndata x from "fixture:text"\n{stages}output x to "./out/x.jsonl"\n'
    typed, problems = check_text(text)
    assert not problems
    assert len(typed.steps) == 3001


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_of_lets_is_followed(order: int) -> None:
    lets = [f"let n{n} = n{n + 1} + 1" for n in range(3000)] + ["let n3000 = 1"]
    rest = ['data x from "fixture:text" |> sample { rows: n2500, seed: 1 }', 'output x to "./out/x.jsonl"']
    typed, problems = check_text("\n".join(["edition 2026", *lets[::order], *rest]) + "\n")
    assert [problem.code for problem in problems] == ["FUSE108"]
    assert dict(lower_slots(typed.steps["x"].step))["rows"] == 501


def test_a_let_at_the_end_of_a_chain_means_what_is_wanted() -> None:
    """`n` is a word where it is used, and no value of its own."""
    lets = ["let n0 = linear"] + [f"let n{n} = n{n - 1}" for n in range(1, 60)]
    made = 'data x from "fixture:text"\nmodel a from "fixture:llama-a"\nmodel m = finetune {\n  model: a\n'
    made += "  data: x\n  steps: 2\n  seed: 1\n  lr: 1e-3\n  schedule: n59\n}\noutput m to './m'\n"
    _, problems = check_text("\n".join(["edition 2026", *lets, made, backwards(1000)[13:]]))
    assert [problem.title() for problem in problems if problem.level == "error"] == []

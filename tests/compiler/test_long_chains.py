"""Declarations in the worst order: far too many ends in one message, a few in none."""

from __future__ import annotations

from world import check_text


def backwards(count: int) -> str:
    """Every step is declared before the one it starts from."""
    steps = [f"data x{n} = x{n + 1} |> shuffle {{ seed: {n} }}" for n in range(count)]
    steps += [f'data x{count} from "fixture:text"', 'output x0 to "./out/x.jsonl"']
    return "edition 2026\n" + "\n".join(steps) + "\n"


def test_a_chain_in_reverse_order_is_followed() -> None:
    typed, problems = check_text(backwards(30))
    assert not problems
    assert len(typed.steps) == 31


def test_a_chain_beyond_following_is_one_message() -> None:
    typed, problems = check_text(backwards(2000))
    assert [problem.code for problem in problems] == ["FUSE002"]
    assert typed.failed

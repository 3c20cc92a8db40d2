"""What a value out of its range is told: both ends, whichever was left."""

import pytest
from world import problems_of

SPEC = """edition 2026

model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
model merged = merge {{ base: base, experts: [math], {} }}

output merged to "./out/merged"
"""


@pytest.mark.parametrize(
    ("written", "title", "allowed"),
    [
        ("method: average, expert_reads: -5%", "`expert_reads` cannot be -5%", "0% to 100%"),
        ("method: average, expert_reads: 105%", "`expert_reads` cannot be 105%", "0% to 100%"),
        ("method: average, expert_reads: -5 GB", "`expert_reads` cannot be -5 GB", "at least 0"),
        ("method: ties(density: 1.5)", "`density` cannot be 1.5", "above 0 and at most 1"),
        ("method: ties(density: 0.0)", "`density` cannot be 0.0", "above 0 and at most 1"),
    ],
)
def test_both_ends_are_said(written: str, title: str, allowed: str) -> None:
    (problem,) = problems_of(SPEC.format(written))
    assert (problem.title(), problem.marks()[0].note) == (title, f"allowed: {allowed}")

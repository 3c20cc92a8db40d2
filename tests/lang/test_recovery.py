"""One token too many or too few: a message beside it, few messages in all, and never an exception."""

from __future__ import annotations

import random

import recovery


def test_single_token_edits() -> None:
    rng = random.Random(7)
    told: list[recovery.Told] = []
    for path in recovery.SPECS:
        text = path.read_text(encoding="utf-8")
        before = recovery.said(recovery.problems(text))
        every = list(recovery.edits(text))
        told += [recovery.tell(edit, before) for edit in rng.sample(every, 60)]
    assert [(one.edit.say, one.failed) for one in told if one.failed] == []
    wrong = [one for one in told if not one.valid]
    assert sum(one.near for one in wrong) >= recovery.NEAR_BOUND * len(wrong)
    assert sum(len(one.new) <= 2 for one in wrong) >= recovery.FEW_BOUND * len(wrong)

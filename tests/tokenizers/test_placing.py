"""Rows of a new embedding: each exactly once, with its token's row wherever there is one."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fusec.runtime.kernels.transplant_tokenizer.placing import Holder, OwnMean, Wishes, place
from fusec.runtime.sources.safetensors_header import ModelHeaders

TOKENS = st.sampled_from([f"t{n}" for n in range(30)])
NUMBERS = st.dictionaries(TOKENS, st.integers(0, 40), min_size=1)


def holder(rows, height):
    return Holder(ModelHeaders(Path("model"), {}, {}, {}), rows, height)


@given(own=NUMBERS, target=NUMBERS, height=st.integers(1, 45), more=st.integers(0, 9))
def test_every_row_has_one_source(own, target, height, more):
    rows = max(target.values()) + 1 + more
    wishes = Wishes(None, (), {}, frozenset(), frozenset(), zero_when_missing=False)
    placed = place(holder(own, height), target, rows, wishes)

    source = {run.target + n: run.source + n for run in placed.runs for n in range(run.count)}
    assert sum(run.count for run in placed.runs) == len(source)
    assert source.keys() | placed.standins.keys() == set(range(rows))
    assert not source.keys() & placed.standins.keys()
    assert all(0 <= row < height for row in source.values())
    assert list(placed.standins) == sorted(placed.standins)
    for number in range(rows):
        tokens = [token for token, at in target.items() if at == number]
        had = [own[token] for token in tokens if own.get(token, height) < height]
        if had:
            assert source[number] in had
        elif tokens or number in own.values() or number >= height:
            assert placed.standins[number] == OwnMean()
        else:
            assert source[number] == number


@given(own=NUMBERS, height=st.integers(1, 45))
def test_the_own_tokenizer_is_one_run(own, height):
    rows = max(own.values()) + 1
    wishes = Wishes(None, (), {}, frozenset(), frozenset(), zero_when_missing=False)
    placed = place(holder(own, height), own, rows, wishes)
    assert [(run.target, run.source, run.count) for run in placed.runs] == [(0, 0, min(rows, height))]

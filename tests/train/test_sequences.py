"""Cutting rows to the context loses no token and lets none count twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusec.runtime.kernels.train.encode import IGNORED, Encoded
from fusec.runtime.kernels.train.sequences import collate, pack, spool, windows

lengths = st.lists(st.integers(1, 20), min_size=1, max_size=12)


def encoded(sizes):
    """Rows of these sizes whose tokens are all different."""
    ids = np.split(np.arange(sum(sizes), dtype=np.int32), np.cumsum(sizes)[:-1])
    return [Encoded(row, part, part) for row, part in enumerate(ids)]


@given(lengths, st.integers(1, 9))
def test_packing_keeps_every_token_in_order(sizes, context):
    blocks = list(pack(encoded(sizes), context))
    assert np.concatenate([b.ids for b in blocks]).tolist() == list(range(sum(sizes)))
    assert all(len(b.ids) == context for b in blocks[:-1])
    assert 1 <= len(blocks[-1].ids) <= context
    # A block is named after the row that its first token is from.
    owner = np.repeat(np.arange(len(sizes)), sizes)
    assert [b.row for b in blocks] == [owner[b.ids[0]] for b in blocks]


@given(lengths, st.integers(1, 9))
def test_windows_are_disjoint_and_never_span_rows(sizes, context):
    cut = list(windows(encoded(sizes), context))
    assert np.concatenate([w.ids for w in cut]).tolist() == list(range(sum(sizes)))
    assert all(len(w.ids) <= context for w in cut)
    assert len(cut) == sum(-(-size // context) for size in sizes)


def test_the_first_token_never_counts_and_padding_is_masked(tmp_path):
    sequences = spool(encoded([3, 1, 2]), tmp_path)
    assert [sequences.row[n] for n in range(len(sequences))] == [0, 2]
    batch = collate([sequences[0], sequences[1]])
    assert batch["input_ids"].tolist() == [[0, 1, 2], [4, 5, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 1, 2], [IGNORED, 5, IGNORED]]
    assert sequences.lengths().tolist() == [3, 2]

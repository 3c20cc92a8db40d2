"""Merges for tokens of a united BPE vocabulary that its merges no longer lead to.

The first tokenizer's merges come first. Where it joins `ab` early, a token `abc` that another tokenizer
makes of `a` and `bc` is never made: the text ends as `ab`, `c`. One more merge of these two, tried after all
others, leads to it and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from fusec.runtime.kernel import Emit
from fusec.runtime.kernels.union_tokenizers.tokenizer_file import Pair
from fusec.runtime.kernels.union_tokenizers.unite import United

_SHOWN = 5


def lead_to(united: United, emit: Emit) -> United:
    """The union with a merge for each learned token that two tokens make up; short tokens first.

    Emits `tokens_out_of_reach` for those that more than two remain of. Tokens that their own tokenizer has
    no merge for are nobody's loss and not looked at.
    """
    model = united.first.model
    marked = model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")
    if united.first.kind != "BPE" or model.get("ignore_merges") or marked:
        return united
    ranks = {pair: rank for rank, pair in enumerate((*united.first.merges, *united.merges))}
    more: list[Pair] = []
    lost = []
    for token in sorted(united.learned, key=lambda token: (len(token), united.rows[token])):
        pieces = pieces_of(token, ranks)
        if len(pieces) == 2 and all(piece in united.rows for piece in pieces):
            pair = pieces[0], pieces[1]
            ranks[pair] = len(ranks)
            more.append(pair)
        elif len(pieces) > 1:
            lost.append(token)
    if lost:
        emit("tokens_out_of_reach", tokens=len(lost), first=lost[:_SHOWN])
    return united.with_merges(more)


def pieces_of(text: str, ranks: Mapping[Pair, int]) -> list[str]:
    """What merges make of the characters of `text`: always the merge of lowest rank, leftmost first."""
    pieces = list(text)
    while len(pieces) > 1:
        pairs = [ranks.get(pair) for pair in pairwise(pieces)]
        known = [rank for rank in pairs if rank is not None]
        if not known:
            break
        at = pairs.index(min(known))
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return pieces

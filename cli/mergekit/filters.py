"""The filters of a configuration: the order in which to try those of all lists, and which exclude others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_ATTENTION = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})
_MLP = frozenset({"gate_proj", "up_proj", "down_proj"})
_ENDS = frozenset({"embed_tokens", "embed", "lm_head"})
_EXCLUSIVE = (
    _ENDS | {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm", "model.norm"},
    _ENDS | _ATTENTION | _MLP | {"norm"},
    _ATTENTION | {"mlp"},
    _MLP | {"self_attn"},
)
"""Words of names, of which none is part of a tensor's name beside another of the same set."""


def apart(one: str, other: str) -> bool:
    """Whether no tensor has both in its name; only words that everybody uses are known to be apart."""
    nested = one in other or other in one
    return not nested and any(one in words and other in words for words in _EXCLUSIVE)


def in_order(lists: Iterable[Sequence[str]]) -> tuple[str, ...] | None:
    """All filters in an order that is that of each list, the narrower of two first; None where there is none.

    Then a tensor that belongs to the first filter in its name has the value that each list gives it.
    """
    lists = [[word for word in one if word] for one in lists]
    waiting = dict.fromkeys(word for one in lists for word in one)
    before = {word: {other for other in waiting if word in other and word != other} for word in waiting}
    for one in lists:
        for number, word in enumerate(one):
            before[word] |= set(one[:number])
    found: list[str] = []
    while waiting:
        ready = next((word for word in waiting if before[word] <= set(found)), None)
        if ready is None:
            return None
        found.append(ready)
        del waiting[ready]
    return tuple(found)

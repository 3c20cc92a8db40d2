"""The filters of a configuration: the order in which to try those of all lists, and which exclude others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_PARTS = {
    "self_attn": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
    "input_layernorm": (),
    "post_attention_layernorm": (),
    "embed_tokens": (),
    "lm_head": (),
    "model.norm": (),
}
"""Parts of a layer and of a model, with what is inside of them: no tensor belongs to two of a kind."""

_PATHS = {part: (part,) for part in _PARTS} | {
    inner: (part, inner) for part, inside in _PARTS.items() for inner in inside
}


def apart(one: str, other: str) -> bool:
    """Whether no tensor has both in its name; only names that everybody uses are known to be apart."""
    a, b = _PATHS.get(one), _PATHS.get(other)
    return a is not None and b is not None and any(x != y for x, y in zip(a, b, strict=False))


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

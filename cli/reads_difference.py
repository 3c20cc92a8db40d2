"""What differs between what two merges under budgets read, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fusec.cli.accounts import accounts_of_plan, accounts_of_run
from fusec.cli.amounts import part_text, share_text, size_text
from fusec.cli.reads_text import error_text
from fusec.cli.sides import Side
from fusec.compiler.reads.account import Account


def reads_differences(a: Side, b: Side) -> Iterator[str]:
    """Of each merge that both sides have: bytes and error, then blocks more and less of each expert.

    Experts are told apart by name, as a budget over one family is what is compared.
    """
    old, new = _accounts(a), _accounts(b)
    for name in new:
        if name in old and old[name].planned.digest != new[name].planned.digest:
            yield from _lines(name, old[name], new[name])


def _accounts(side: Side) -> Mapping[str, Account]:
    """What was read, or else what the plan says."""
    planned = accounts_of_plan(side.plan) if side.plan is not None else {}
    return planned | (accounts_of_run(side.manifest, side.plan) if side.manifest is not None else {})


def _lines(name: str, old: Account, new: Account) -> Iterator[str]:
    reads = [f"{_amount(account)}, {error_text(account.planned.certificate)}" for account in (old, new)]
    experts = list(_experts(old, new))
    if experts or reads[0] != reads[1]:
        yield f"~ {name}: {' -> '.join(dict.fromkeys(reads))}"
        yield from (f"    {line}" for line in experts)


def _amount(account: Account) -> str:
    planned = account.planned
    return f"{part_text(planned.physical, planned.full)} of experts ({share_text(1 - planned.saved())})"


def _experts(old: Account, new: Account) -> Iterator[str]:
    if old.access.block != new.access.block:
        yield f"blocks of {old.access.block} elements -> {new.access.block}"
        return
    before, after = ({expert.name: k for k, expert in enumerate(side.experts)} for side in (old, new))
    for name, now in sorted(after.items()):
        if name in before:
            yield from _expert(name, old, before[name], new, now)
        else:
            yield f"{name}: {new.by_expert()[now].read} blocks, no expert before"
    for name in sorted(before.keys() - after.keys()):
        yield f"{name}: no expert any more, {old.by_expert()[before[name]].read} blocks before"


def _expert(name: str, old: Account, was: int, new: Account, now: int) -> Iterator[str]:
    """Blocks merged now that were not, and the other way round."""
    more = less = tensors = 0
    for tensor in {**old.sources, **new.sources}:
        before, after = _merged(old, was, tensor), _merged(new, now, tensor)
        both = int((before & after).sum()) if before.shape == after.shape else 0
        gained, lost = int(after.sum()) - both, int(before.sum()) - both
        more, less, tensors = more + gained, less + lost, tensors + bool(gained or lost)
    if tensors:
        words = " and ".join(f"{count} {word}" for count, word in ((more, "more"), (less, "less")) if count)
        sizes = size_text(old.by_expert()[was].bytes), size_text(new.by_expert()[now].bytes)
        where = f"{tensors} tensor{'s' * (tensors != 1)}"
        yield f"{name}: {words} block{'s' * (more + less != 1)} in {where}, {sizes[0]} -> {sizes[1]}"


def _merged(account: Account, expert: int, tensor: str) -> NDArray[np.bool_]:
    sources = account.sources.get(tensor)
    return np.zeros(0, bool) if sources is None else sources[expert] >= 0

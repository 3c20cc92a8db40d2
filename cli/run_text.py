"""A finished run as people read it: every step, what was estimated and what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fusec.cli.amounts import count_text, size_text, time_text
from fusec.cli.columns import columns, shortened, wrapped
from fusec.compiler.budget import amount_text
from fusec.runtime.manifest import LimitRecord, Manifest, NodeRecord

LEAST_NAME = 8


class Amount(NamedTuple):
    """An amount of a step: what it is called here, in `actual` and in `estimate`, and how it is written.

    `total` is what the amounts of several steps come to. Without `estimate` nothing comparable is estimated:
    memory is that of the whole process.
    """

    name: str
    actual: str
    estimate: str
    text: Callable[[float], str]
    total: Callable[[Iterable[float]], float] = sum


AMOUNTS = (
    Amount("time", "seconds", "seconds", time_text),
    Amount("read", "bytes_read", "reads", size_text),
    Amount("written", "bytes_written", "writes", size_text),
)
MORE = (
    Amount("tokens", "tokens", "tokens", count_text),
    Amount("memory", "peak_memory", "", size_text, max),
)


def run_text(manifest: Manifest, width: int) -> str:
    """The steps with what they took beside what was estimated, the budget, and where it ran."""
    place = manifest.environment
    about = [
        ("gate", manifest.gate),
        ("grade", manifest.grade),
        ("params", ", ".join(f"{name} = {value}" for name, value in manifest.params.items()) or "none"),
        (
            "where",
            f"{place.system} {place.machine}, {place.device}, {place.threads} threads, Python {place.python}",
        ),
        ("with", ", ".join(f"{name} {version}" for name, version in place.libraries.items())),
    ]
    if manifest.packages:
        about.append(("packages", ", ".join(pin.short for pin in manifest.packages)))
    told = "\n".join(wrapped(f"{name:<8}  {text}", width) for name, text in about)
    more = [amount for amount in MORE if any(amount.actual in node.actual for node in manifest.nodes)]
    tables = [steps_text(manifest.nodes, amounts, width) for amounts in (AMOUNTS, more) if amounts]
    blocks = [*tables, limits_text(manifest.limits), told]
    return "\n\n".join(block for block in blocks if block)


def steps_text(nodes: Sequence[NodeRecord], amounts: Sequence[Amount], width: int) -> str:
    """A line per step and a total of what was computed. Long names are cut to fit `width`."""
    rows: list[tuple[str, ...]] = [("step", "", *(head for amount in amounts for head in _heads(amount)))]
    for node in nodes:
        cells = [cell for amount in amounts for cell in _cells(amount, [node])]
        rows.append((node.name, _state(node), *cells))
    computed = [node for node in nodes if node.state == "computed"]
    if len(computed) > 1:
        cells = [cell for amount in amounts for cell in _cells(amount, computed)]
        rows.append(("total", f"{len(computed)} of {len(nodes)}", *cells))
    others = sum(2 + max(map(len, column)) for column in list(zip(*rows, strict=True))[1:])
    room = max(width - 2 - others, LEAST_NAME)
    return columns([(shortened(row[0], room), *row[1:]) for row in rows], right=range(2, len(rows[0])))


def limits_text(limits: Sequence[LimitRecord]) -> str:
    """Every limit of the budget: what it allows, what was estimated and what was used; empty without any."""
    if not limits:
        return ""
    rows = [("budget", "limit", "estimate", "used", "of the limit")]
    for limit in limits:
        amounts = [amount_text(amount, limit.unit) for amount in (limit.limit, limit.estimated, limit.used)]
        rows.append((limit.name, amounts[0], amounts[1], amounts[2], f"{limit.used / limit.limit:.0%}"))
    return columns(rows, right=(1, 2, 3, 4))


def _state(node: NodeRecord) -> str:
    """`reused`, `ran`, `ran, 2 retries`."""
    if node.state == "reused":
        return node.state
    retries = int(node.actual.get("retries", 0))
    return f"ran, {retries} retr{'y' if retries == 1 else 'ies'}" if retries else "ran"


def _heads(amount: Amount) -> tuple[str, ...]:
    return (amount.name, "planned") if amount.estimate else (amount.name,)


def _cells(amount: Amount, nodes: Sequence[NodeRecord]) -> Iterator[str]:
    """What some steps took, and what was estimated for those; `-` for nothing."""
    known = [node for node in nodes if amount.actual in node.actual]
    took = [node.actual[amount.actual] for node in known]
    likely = [found for node in known if (found := _likely(node, amount)) is not None]
    yield amount.text(amount.total(took)) if any(took) else "-"
    if amount.estimate:
        yield amount.text(amount.total(likely)) if likely else "-"


def _likely(node: NodeRecord, amount: Amount) -> float | None:
    found = node.estimate.get(amount.estimate)
    likely = found[1] if isinstance(found, tuple) else found
    return likely or None

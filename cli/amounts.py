"""Amounts as people read them."""

from __future__ import annotations

from fusec.lang.units import quantity_text


def size_text(amount: float) -> str:
    return quantity_text(int(amount), "Size")


def time_text(seconds: float) -> str:
    return quantity_text(seconds, "Time")


def count_text(amount: float) -> str:
    """Three significant digits: `850`, `8.46k`, `328k`, `1.2M`."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if amount >= size:
            return f"{float(f'{amount / size:.3g}'):g}{unit}"
    return f"{amount:.0f}"


def part_text(amount: float, whole: float) -> str:
    """`2.2 of 22 MB`; the unit stands once where it is the same."""
    part, of = size_text(amount), size_text(whole)
    return f"{part.split()[0] if part.split()[1:] == of.split()[1:] else part} of {of}"


def share_text(share: float) -> str:
    """Two significant digits: `10%`, `9.4%`, `0.12%`."""
    return f"{float(f'{share * 100:.2g}'):g}%"

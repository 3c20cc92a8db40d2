"""Units convert exactly, and base values print the way people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.lexer import split_quantity, words
from fusec.lang.source import Source
from fusec.lang.units import UNITS, near_units, parse_number, quantity_text


@pytest.mark.parametrize(
    ("value", "unit", "base"),
    [
        (24, "GB", 24_000_000_000),
        (1.8, "TB", 1_800_000_000_000),
        (1, "KiB", 1024),
        (3, "PiB", 3 * 2**50),
        (6, "GB/s", 6e9),
        (90, "min", 5400.0),
        (250, "ms", 0.25),
        (62, "%", 0.62),
        (0.1, "%", 0.001),
        (420, "gpu-hours", 420.0),
        (3.1, "USD/h", 3.1),
        (120_000, "rows", 120_000),
    ],
)
def test_base_values(value: float, unit: str, base: float) -> None:
    found = UNITS[unit].base(value)
    assert found == base and type(found) is type(base)


@given(st.integers(0, 10**6), st.sampled_from([u for u in UNITS.values() if u.dimension == "Size"]))
def test_sizes_are_exact(value: int, unit: object) -> None:
    assert unit.base(value) == value * unit.factor == Fraction(unit.base(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_500", 1500),
        ("0.5", 0.5),
        ("1e-6", 1e-6),
        ("50k", 50_000),
        ("0.1k", 100),
        ("1.5B", 1_500_000_000),
        ("2.5", 2.5),
    ],
)
def test_numbers(text: str, value: float) -> None:
    found = parse_number(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("number", ["24", "0.5", "300M", "1e3"])
def test_every_unit_is_one_word_of_the_language(unit: str, number: str) -> None:
    source = Source("q", f"{number} {unit}")
    tokens, _, problems = words(source)
    assert [t.kind for t in tokens] == ["QUANTITY"] and not problems
    assert split_quantity(source.text) == (number, unit)


@pytest.mark.parametrize(
    ("value", "dimension", "kind", "text"),
    [
        (24_000_000_000, "Size", "", "24 GB"),
        (40_412_345_678, "Size", "", "40.4 GB"),
        (999_960_000, "Size", "", "1 GB"),
        (999, "Size", "", "999 B"),
        (6e9, "Rate", "B/s", "6 GB/s"),
        (1200.0, "Rate", "tokens/s", "1200 tokens/s"),
        (65.0, "Time", "", "1 min 5 s"),
        (41.2, "Time", "", "41 s"),
        (0.0421, "Time", "", "42.1 ms"),
        (2.25, "Time", "", "2.2 s"),
        (7200.0, "Time", "", "2 h"),
        (90061.0, "Time", "", "1 d 1 h"),
        (3599.9, "Time", "", "1 h"),
        (420.0, "Compute", "", "420 gpu-hours"),
        (0.04, "Money", "USD", "0.04 USD"),
        (42.0, "Price", "USD/h", "42.00 USD/h"),
        (0.62, "Share", "", "62%"),
        (0.001, "Share", "", "0.1%"),
        (9999, "Count", "rows", "9999 rows"),
        (151_936, "Count", "", "151_936"),
    ],
)
def test_texts_for_people(value: float, dimension: str, kind: str, text: str) -> None:
    assert quantity_text(value, dimension, kind) == text


@pytest.mark.parametrize(
    ("word", "unit"),
    [
        ("GBs", "GB"),
        ("gb", "GB"),
        ("hours", "h"),
        ("sec", "s"),
        ("percent", "%"),
        ("gpu-hour", "gpu-hours"),
        ("row", "rows"),
    ],
)
def test_near_units(word: str, unit: str) -> None:
    assert near_units(word)[0] == unit
    assert near_units("zzz") == []

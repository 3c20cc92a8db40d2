"""Charts: layouts without overlaps, round ticks, bars that keep their width, colours that can be read."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.cli.charts.dag import Box, dag
from fusec.cli.charts.layers import BETWEEN, layered
from fusec.cli.charts.scale import ticks
from fusec.cli.charts.spark import bar
from fusec.cli.charts.svg import standalone
from fusec.cli.charts.theme import DARK, LIGHT

HEIGHT = 50.0


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, float], list[tuple[str, str]]]:
    names = [f"n{at}" for at in range(draw(st.integers(1, 12)))]
    widths = {name: draw(st.sampled_from((90.0, 150.0, 240.0))) for name in names}
    pairs = list(itertools.combinations(names, 2))
    return widths, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


@given(graphs())
def test_boxes_of_a_layer_keep_their_distance(graph: tuple[dict[str, float], list[tuple[str, str]]]) -> None:
    widths, edges = graph
    layout = layered(widths, edges, height=HEIGHT)
    layers: dict[float, list[str]] = {}
    for name, (x, y) in layout.at.items():
        assert x > -0.01 and x + widths[name] < layout.width + 0.01
        layers.setdefault(y, []).append(name)
    for names in layers.values():
        names.sort(key=lambda name: layout.at[name][0])
        for a, b in itertools.pairwise(names):
            assert layout.at[a][0] + widths[a] + BETWEEN <= layout.at[b][0] + 0.01


@given(graphs())
def test_edges_lead_down_from_box_to_box(graph: tuple[dict[str, float], list[tuple[str, str]]]) -> None:
    widths, edges = graph
    layout = layered(widths, edges, height=HEIGHT)
    for (a, b), route in layout.routes.items():
        (x, y), (to_x, to_y) = route[0], route[-1]
        assert y == layout.at[a][1] + HEIGHT and to_y == layout.at[b][1]
        assert layout.at[a][0] <= x <= layout.at[a][0] + widths[a]
        assert layout.at[b][0] <= to_x <= layout.at[b][0] + widths[b]
        assert all(one[1] <= two[1] for one, two in itertools.pairwise(route))


def test_a_chain_stands_in_one_line_and_a_diamond_has_no_crossing() -> None:
    chain = layered(dict.fromkeys("abc", 100.0), [("a", "b"), ("b", "c")], height=HEIGHT)
    assert len({x for x, _ in chain.at.values()}) == 1
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("b", "e"), ("c", "f")]
    layout = layered(dict.fromkeys("abcdef", 100.0), edges, height=HEIGHT)
    below = sorted("def", key=lambda name: layout.at[name][0])
    assert below in (["e", "d", "f"], ["f", "d", "e"])


def test_what_boxes_say_is_escaped_and_the_file_is_well_formed() -> None:
    boxes = [Box("a", "<script>&\"'", "note", "new", 3, "about <b>"), Box("b", "ü→", "", "goal")]
    text = standalone(dag(boxes, [("a", "b")], title="a < b", desc="& more", path={("a", "b")}))
    root = ElementTree.fromstring(text)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "a < b"
    assert "<script" not in text


@given(st.floats(1e-6, 1e12), st.booleans())
def test_ticks_are_even_and_not_too_many(most: float, time: bool) -> None:
    found = ticks(most, time=time)
    assert found[0] == 0 and found[-1] <= most * (1 + 1e-9) and 1 <= len(found) <= 7
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert all(step == pytest.approx(steps[0]) for step in steps)


@given(st.floats(0, 1), st.integers(1, 40), st.booleans())
def test_a_bar_is_as_wide_as_its_share(share: float, width: int, plain: bool) -> None:
    drawn = bar(share, width, plain=plain)
    assert len(drawn) <= width
    assert bool(drawn) == (share > 0)
    assert drawn.isascii() or not plain


def test_texts_stand_out_from_what_is_behind_them() -> None:
    """At least 4.5 to 1, as WCAG 2 asks for (its contrast of relative luminances)."""
    for theme in (LIGHT, DARK):
        for kind in ("ink", "muted"):
            for behind in ("page", "card", "faint", *(name for name in theme if name.endswith("-tint"))):
                assert contrast(theme[kind], theme[behind]) >= 4.5, (kind, behind)
        for kind in ("new", "stored", "source", "goal", "warn", "bad"):
            for behind in ("page", "card", f"{kind}-tint"):
                assert contrast(theme[kind], theme[behind]) >= 4.5, (kind, behind)


def contrast(a: str, b: str) -> float:
    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

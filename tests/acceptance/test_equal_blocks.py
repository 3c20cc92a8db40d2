"""What equals the base is not read, what is equal among experts is read once, and the bits do not tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from desks import Desk, merge_record, same_bits, save_model
from range_server import RangeServer, serving

from fusec.cli.main import dispatch
from fusec.runtime.sources.safetensors_header import read_model_headers

SIZE, BLOCKS = 1 << 19, 10
"""Elements of a block where a merge states none."""
CHANGED = (3, 7)
COLUMNS = 1000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RangeServer]:
    """`part` equals the base in eight blocks of ten; `twin` and `other` hold the same bytes, all changed."""
    g = torch.Generator().manual_seed(1)
    base = torch.randn(BLOCKS * SIZE, generator=g)
    part = base.clone()
    for block in CHANGED:
        part[block * SIZE : (block + 1) * SIZE] += 0.1 * torch.randn(SIZE, generator=g)
    twin = base + 0.1 * torch.randn(base.shape, generator=g)
    for name, values in {"base": base, "part": part, "twin": twin, "other": twin}.items():
        save_model(tmp_path / "www" / name, {"layer.weight": values.bfloat16()})
    with serving(tmp_path / "www") as running:
        yield running


def analysed(desk: Desk, served: RangeServer, *experts: str) -> dict[str, str]:
    places = {name: f"{served.url}/{name}" for name in ("base", *experts)}
    told = ["--base", places["base"], "--store", str(desk.folder / ".fusec")]
    assert dispatch(["catalog", "analyze", *(places[name] for name in experts), *told]) == 0
    return places


def payload(served: RangeServer, name: str) -> list[tuple[int, int]]:
    """Ranges of tensors that were asked for, counted from the first tensor."""
    start = read_model_headers(served.root / name).tensors["layer.weight"].start
    path = f"/{name}/model.safetensors"
    return [(a - start, b - start) for p, a, b in served.requests if p == path and b >= start]


def test_eight_blocks_of_ten_are_never_asked_for(desk: Desk, served: RangeServer) -> None:
    places = analysed(desk, served, "part")
    desk.run(desk.spec(["part"], places=places))
    served.requests.clear()
    record = merge_record(desk.run(desk.spec(["part"], "task_arithmetic(scale: 0.5)", places=places)))
    assert record.actual["expert_bytes"] == len(CHANGED) * SIZE * 2
    ranges = payload(served, "part")
    assert sum(b - a + 1 for a, b in ranges) == len(CHANGED) * SIZE * 2
    assert {a // (2 * SIZE) for a, _ in ranges} | {b // (2 * SIZE) for _, b in ranges} == set(CHANGED)


def test_two_experts_with_the_same_bytes_cost_one(desk: Desk, served: RangeServer) -> None:
    places = analysed(desk, served, "twin", "other")
    spec = desk.spec(["twin", "other"], weights=[0.3, 0.4], places=places)
    served.requests.clear()
    record = merge_record(desk.run(spec))
    assert record.actual["expert_bytes"] == BLOCKS * SIZE * 2
    asked = [b - a + 1 for name in ("twin", "other") for a, b in payload(served, name)]
    assert sum(asked) == BLOCKS * SIZE * 2


@pytest.mark.parametrize(
    "method",
    [
        "linear",
        "task_arithmetic",
        "ties(density: 0.3)",
        "dare_linear(density: 0.5)",
        "della(density: 0.5)",
        "multislerp",
        "model_stock",
        "sce",
        "nuslerp(flatten: false)",
    ],
)
def test_the_bits_are_those_of_reading_everything(
    desk: Desk, new_desk: Callable[[str], Desk], method: str
) -> None:
    """Rows end inside blocks, and blocks inside rows."""
    g = torch.Generator().manual_seed(2)
    rows = 3 * SIZE // COLUMNS
    base = {"layer.weight": torch.randn((rows, COLUMNS), generator=g).bfloat16()}
    found = {}
    for knowing in (desk, new_desk("plain")):
        g = torch.Generator().manual_seed(3)
        save_model(knowing.folder / "base", base)
        for number, name in enumerate(("math", "code")):
            changed = base["layer.weight"].flatten().float()
            at = SIZE * number
            changed[at : at + SIZE] += 0.1 * torch.randn(SIZE, generator=g)
            save_model(knowing.folder / name, {"layer.weight": changed.bfloat16().view(rows, COLUMNS)})
        if knowing is desk:
            knowing.analyze(block=SIZE)
        record = merge_record(knowing.run(knowing.spec(["math", "code"], method)))
        found[knowing] = record.actual["expert_bytes"], knowing.merged()
    (less, one), (everything, other) = found.values()
    assert less < everything
    assert same_bits(one, other)

"""What the merge benchmarks stand on: families are what they say, and counters count."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from merge.family import Plant, Shape, shape_of, write_family
from merge.markdown import Table
from merge.measure import measure
from merge.plots import bars, lines
from merge.sweep import error_of, random_errors
from merge.ulps import compare, largest_kept, middle_kept
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

SMALL = Shape(hidden=64, layers=2, vocab=320)
PLANT = Plant(seed=3, block_bytes=4096, frozen=0.2, hot=0.1)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    write_family(folder, 4, SMALL, shard_bytes=200_000, plant=PLANT)
    return folder


def tensors(model: Path) -> dict[str, torch.Tensor]:
    return {n: t for file in sorted(model.glob("*.safetensors")) for n, t in load_file(file).items()}


# --- families ---------------------------------------------------------------------------


def test_experts_are_models_with_a_tokenizer(family: Path) -> None:
    net = AutoModelForCausalLM.from_pretrained(family / "expert02")
    tokenizer = AutoTokenizer.from_pretrained(family / "expert02")
    batch = tokenizer("merge, please: é", return_tensors="pt")
    assert net.dtype == torch.bfloat16
    assert net(**batch).logits.isfinite().all()
    assert tokenizer.decode(batch["input_ids"][0]) == "merge, please: é"


def test_the_energies_are_those_of_the_files(family: Path) -> None:
    truth = json.loads((family / "family.json").read_text())["energy"]
    base = tensors(family / "base")
    for expert, said in truth.items():
        for name, tensor in tensors(family / expert).items():
            delta = (tensor.double() - base[name].double()).flatten()
            found = [float(block.square().sum()) for block in delta.split(PLANT.block_bytes // 2)]
            assert found == pytest.approx(said[name], rel=1e-5), (expert, name)


def test_a_tenth_of_the_blocks_carries_nearly_all(family: Path) -> None:
    for expert in json.loads((family / "family.json").read_text())["energy"].values():
        # The norms are blocks of their own, far smaller than the rest.
        blocks = sorted((e for name, row in expert.items() if "norm" not in name for e in row), reverse=True)
        assert sum(blocks[: len(blocks) // 7]) > 0.95 * sum(blocks)
        assert blocks.count(0.0) > len(blocks) // 10


def test_neighbours_share_changes_and_others_do_not(family: Path) -> None:
    base, *experts = (tensors(family / name) for name in ("base", "expert00", "expert01", "expert02"))

    def alike(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> int:
        pairs = (
            (a, b, start)
            for name in base
            for a, b, start in zip(*(m[name].flatten().split(2048) for m in (one, two, base)), strict=True)
        )
        return sum(bool(torch.equal(a, b) and not torch.equal(a, start)) for a, b, start in pairs)

    assert alike(experts[0], experts[1]) > 0
    assert alike(experts[0], experts[2]) == 0


def test_a_seed_is_a_family_however_it_is_stored(family: Path, tmp_path: Path) -> None:
    write_family(tmp_path, 4, SMALL, plant=PLANT)
    assert [p.name for p in tmp_path.glob("base/*.safetensors")] == ["model.safetensors"]
    assert len(list(family.glob("base/*.safetensors"))) > 1
    for name in ("base", "expert03"):
        one, two = tensors(family / name), tensors(tmp_path / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[n], two[n]) for n in one)


@pytest.mark.parametrize("megabytes", [10, 700, 5000])
def test_a_shape_is_about_as_large_as_asked(megabytes: int) -> None:
    assert shape_of(megabytes).parameters * 2e-6 == pytest.approx(megabytes, rel=0.05)


# --- counters -----------------------------------------------------------------------------


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """A folder whose reads reach a device."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        pytest.skip("a file system in memory has no device to count at")
    return tmp_path


def test_bytes_of_a_known_read(on_disk: Path) -> None:
    file, size = on_disk / "payload", 64 << 20
    file.write_bytes(os.urandom(1 << 20) * 64)
    code = f"f = open({str(file)!r}, 'rb', 0)\nwhile f.read(1 << 20): pass"
    cold = measure([sys.executable, "-I", "-S", "-c", code], cold=[file])
    assert cold.code == 0
    assert cold.read == pytest.approx(size, rel=0.02)
    assert cold.asked == pytest.approx(size, rel=0.02)
    warm = measure([sys.executable, "-I", "-S", "-c", code])
    assert warm.read < size / 50
    assert warm.asked == pytest.approx(size, rel=0.02)


def test_bytes_and_memory_of_children_count(on_disk: Path) -> None:
    file, size = on_disk / "payload", 32 << 20
    file.write_bytes(bytes(size))
    inner = f"import time; b = open({str(file)!r}, 'rb').read(); time.sleep(1)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    found = measure([sys.executable, "-c", outer], cold=[file])
    assert found.read == pytest.approx(size, rel=0.05)
    assert size < found.anonymous < 3 * size


def test_a_failure_is_told() -> None:
    found = measure([sys.executable, "-c", "print('so sorry'); raise SystemExit(7)"])
    assert (found.code, found.output) == (7, "so sorry\n")


# --- comparisons --------------------------------------------------------------------------


def test_neighbouring_values_are_one_ulp_apart() -> None:
    a = {"t": torch.tensor([1.0, -0.5, 3.0], dtype=torch.bfloat16)}
    b = {"t": (a["t"].view(torch.int16) + torch.tensor([1, 0, 2], dtype=torch.int16)).view(torch.bfloat16)}
    found = compare(a, [], a, b)
    assert (found.over, found.at_scale, found.apart, found.worst) == (1, 2.0, 1, "t")


def test_what_the_threshold_leaves_open_is_no_difference() -> None:
    base = {"t": torch.zeros(4)}
    expert = {"t": torch.tensor([2.0, 1.0, -1.0, 0.5])}
    left, right = {"t": torch.tensor([2.0, 1.0, 0, 0])}, {"t": torch.tensor([2.0, 0, -1.0, 0])}
    open_ones = compare(base, [expert], left, right, left_open=largest_kept(0.5))
    assert (open_ones.equals, open_ones.apart) == (2, 0)
    assert compare(base, [expert], left, right).apart == 2


def test_both_ends_of_what_is_kept_may_be_open() -> None:
    deltas = torch.tensor([[4.0, -4.0, 3.0, 2.0, 1.0, -1.0, 0.5, 0.25]])
    # Of eight the largest goes, then half is kept: one of the 4s, 3, 2 and one of the 1s.
    assert middle_kept(0.5, 0.125)(deltas).tolist() == [True, True, False, False, True, True, False, False]


def test_errors_are_shares_of_the_update(family: Path, tmp_path: Path) -> None:
    base, expert = tensors(family / "base"), tensors(family / "expert00")
    full, half = tmp_path / "full", tmp_path / "half"
    middle = {n: torch.lerp(base[n].float(), expert[n].float(), 0.5).bfloat16() for n in base}
    for folder, values in ((full, expert), (half, middle)):
        folder.mkdir()
        save_file(values, folder / "model.safetensors")
    found = error_of(family / "base", full, half)
    flat = [torch.cat([m[n].double().flatten() for n in sorted(base)]) for m in (base, expert, middle)]
    apart = (flat[2] - flat[1]).norm()
    assert found.of_update == pytest.approx(float(apart / (flat[1] - flat[0]).norm()), rel=1e-5)
    assert found.of_weights == pytest.approx(float(apart / flat[1].norm()), rel=1e-5)


def test_blocks_drawn_by_lot(family: Path) -> None:
    experts = [family / f"expert{i:02d}" for i in range(4)]
    none, some, every = random_errors(family / "base", experts, [0.25] * 4, [0.0, 0.5, 1.0])
    assert none == pytest.approx(1)
    assert every == 0
    assert 0.2 < some < 1


# --- what is shown --------------------------------------------------------------------------


def test_a_table_is_markdown() -> None:
    table = Table("T0", "Speed", "How it was measured.", ("what", "s", "share"))
    table.rows.append(["floor", 12.345, 0.00123])
    table.rows.append(["other", None, 1])
    assert table.markdown().splitlines()[4:] == [
        "| what | s | share |",
        "|---|---:|---:|",
        "| floor | 12.3 | 1.23e-03 |",
        "| other | - | 1 |",
    ]


def test_plots_are_drawings_with_every_point() -> None:
    series = {"a < b": [(2, 10.0), (4, 1000.0)], "c": [(2, 0.0), (4, 100.0)]}
    plot = ElementTree.fromstring(lines("t", "x", "y", series, logarithmic=True))
    circles = [node for node in plot.iter() if node.tag.endswith("circle")]
    heights = [float(node.attrib["cy"]) for node in circles]
    assert len(circles) == 3  # nothing is drawn where a logarithm is not defined
    assert heights[0] > heights[2] > heights[1]
    chart = ElementTree.fromstring(bars("t", "y", {"one": {"a": 1.0, "b": 3.0}, "two": {"b": 2.0}}))
    # A rectangle for each value and for each of the two names.
    assert sum(node.tag.endswith("rect") for node in chart.iter()) == 5

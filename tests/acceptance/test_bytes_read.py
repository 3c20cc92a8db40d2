"""A budget is kept as those count who serve the bytes: the kernel, and a server of ranges."""

from __future__ import annotations

import ctypes
import json
import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
from desks import BLOCK, Desk, merge_record
from merge.family import Plant, Shape, shape_of, write_family
from merge.measure import evict, measure
from range_server import RangeServer, serving

from fusec.cli.main import dispatch

SHARES = (1, 5, 10, 50)
EXPERTS = [f"expert{i:02d}" for i in range(4)]
PAGE = 4096

PROGRAM = """
import sys
from pathlib import Path
import fusec.runtime.executors.local, fusec.runtime.kernels.merge, fusec.runtime.reading_now
import fusec

def counted():
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"])

before = counted()
manifest = fusec.compile("spec.fuse").run(threads=2)
(node,) = (node for node in manifest.nodes if node.verb == "merge")
ledger, planned = node.actual.get("expert_bytes", 0), node.reads.physical if node.reads else 0
print("kernel", counted() - before, "ledger", ledger, "planned", planned)
"""


def header_bytes(model: Path) -> int:
    """What the headers of a model take, in whole pages; the reader's buffer may reach into one more."""
    found = 0
    for file in model.glob("*.safetensors"):
        with open(file, "rb") as opened:
            found += (1 + -(-(8 + int.from_bytes(opened.read(8), "little")) // PAGE)) * PAGE
    return found


def stored_bytes(model: Path) -> int:
    """Bytes of tensors."""
    found = 0
    for file in model.glob("*.safetensors"):
        with open(file, "rb") as opened:
            found += file.stat().st_size - 8 - int.from_bytes(opened.read(8), "little")
    return found


def fetched(models: list[Path]) -> int:
    """Bytes of weights files that lie in the page cache: of files evicted before, what the disk has given.

    Where reads leave out the cache, only the process's own counter tells, and that one has in it whatever
    else came from the disk, metadata and code that had left the cache. So reads are counted that do not.
    """
    libc, pages = ctypes.CDLL(None, use_errno=True), 0
    for file in (file for model in models for file in model.glob("*.safetensors")):
        size = file.stat().st_size
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), size, prot=mmap.PROT_READ) as mapped:
            there = (ctypes.c_ubyte * -(-size // PAGE))()
            view = np.frombuffer(mapped, np.uint8)
            address, length = ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size)
            assert libc.mincore(address, length, there) == 0
            pages += int((np.frombuffer(there, np.uint8) & 1).sum())
            del view
    return pages * PAGE


def require_a_counting_disk(file: Path) -> None:
    def counted() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["read_bytes"])

    evict(file)
    before = counted()
    file.read_bytes()
    if counted() - before < file.stat().st_size:
        pytest.skip(f"the kernel counts no reads of {file.parent}: it lies in memory, name a disk in TMPDIR")


@pytest.fixture
def large(desk: Desk) -> Desk:
    """Four experts of 24 MB with most of their changes in a few blocks, measured and pinned."""
    plant = Plant(block_bytes=2 * BLOCK, frozen=0.1, equal=0.1)
    write_family(desk.folder, len(EXPERTS), shape_of(24), plant=plant, shard_bytes=8_000_000)
    desk.analyze()
    return desk


@pytest.fixture
def through_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSEC_DIRECT_READS", "0")


@pytest.mark.usefixtures("through_the_cache")
def test_the_kernel_counts_no_more_than_the_budget(large: Desk) -> None:
    models = [large.folder / name for name in EXPERTS]
    require_a_counting_disk(next(models[0].glob("*.safetensors")))
    full, headers = sum(map(stored_bytes, models)), sum(map(header_bytes, models))
    large.budgeted("0 B", EXPERTS)
    assert large.python(PROGRAM).returncode == 0  # pins the sources; base and code are in the page cache now
    for share in SHARES:
        large.budgeted(f"{share}%", EXPERTS)
        for model in models:
            evict(model)
        done = large.python(PROGRAM)
        assert done.returncode == 0, done.stderr
        _, ledger, planned = (int(float(word)) for word in done.stdout.split()[1::2])
        kernel = fetched(models)
        budget = full * share // 100
        assert 0 < ledger <= kernel <= budget + headers, (share, ledger, kernel, budget, headers)
        assert 0.9 * budget < planned <= budget, "a plan makes use of what it may read"


@pytest.fixture
def served(tmp_path: Path) -> RangeServer:
    """The same kind of family, smaller, below a server that answers 400 to whoever asks for no range."""
    (tmp_path / "www").mkdir()
    plant = Plant(block_bytes=2 * BLOCK, frozen=0.1, equal=0.1)
    write_family(tmp_path / "www", len(EXPERTS), Shape(hidden=256, layers=2, vocab=512), plant=plant)
    with serving(tmp_path / "www") as running:
        yield running


def test_a_server_serves_no_more_than_the_budget_and_what_the_ledger_says(desk: Desk, served) -> None:
    places = {name: f"{served.url}/{name}" for name in ("base", *EXPERTS)}
    told = ["--base", places["base"], "--store", str(desk.folder / ".fusec"), "--block", str(BLOCK), "--gram"]
    assert dispatch(["catalog", "analyze", *(places[name] for name in EXPERTS), *told]) == 0
    full = sum(stored_bytes(served.root / name) for name in EXPERTS)
    desk.run(desk.budgeted("0 B", EXPERTS, places=places))  # headers come, and stay
    for share in SHARES:
        served.served.clear()
        record = merge_record(desk.run(desk.budgeted(f"{share}%", EXPERTS, places=places)))
        count = sum(
            n for path, n in served.served.items() if "expert" in path and path.endswith("safetensors")
        )
        assert count == record.actual["expert_bytes"]
        assert count <= full * share / 100


@pytest.mark.usefixtures("through_the_cache")
def test_the_whole_command_reads_no_more(large: Desk) -> None:
    """`fusec run` as it is typed, planning and headers included."""
    models = [large.folder / name for name in EXPERTS]
    require_a_counting_disk(next(models[0].glob("*.safetensors")))
    command = [Path(sys.executable).with_name("fusec"), "run", "spec.fuse", "--json"]
    large.budgeted("0 B", EXPERTS)
    assert measure(command, cwd=large.folder).code == 0
    large.budgeted("10%", EXPERTS)
    found = measure(command, cold=models, cwd=large.folder)
    assert found.code == 0, found.output
    headers, full = sum(map(header_bytes, models)), sum(map(stored_bytes, models))
    read = fetched(models)
    assert json.loads(found.output)["io"]["expert_bytes"] <= read <= full // 10 + headers


def test_past_the_cache_the_disk_gives_the_same_bytes(large: Desk) -> None:
    """As the process's own counter has it, to some megabytes; the experts are not in the cache afterwards."""
    models = [large.folder / name for name in ("base", *EXPERTS)]
    require_a_counting_disk(next(models[0].glob("*.safetensors")))
    large.budgeted("0 B", EXPERTS)
    assert large.python(PROGRAM).returncode == 0  # pins the sources; code is in the page cache now
    large.spec(EXPERTS, "task_arithmetic")
    for model in models:
        evict(model)
    done = large.python(PROGRAM)
    assert done.returncode == 0, done.stderr
    kernel, ledger = (int(float(word)) for word in done.stdout.split()[1:4:2])
    base = stored_bytes(models[0])
    assert ledger <= kernel <= ledger + base + 8_000_000
    if fetched(models) > base:  # of the base, what nothing changes is copied through the cache
        pytest.skip(f"{large.folder} is on a file system whose cache cannot be left out")


@pytest.mark.slow
def test_past_the_cache_a_budget_is_kept_too(desk: Desk) -> None:
    """Models so large that what else the process reads of the disk, some megabytes, is little beside a share.

    Blocks are large too: parts of pages, and reads of few pages, come through the cache.
    """
    block = 1 << 20
    write_family(desk.folder, len(EXPERTS), shape_of(150), plant=Plant(block_bytes=2 * block, frozen=0.1))
    desk.analyze(block=block)
    models = [desk.folder / name for name in ("base", *EXPERTS)]
    require_a_counting_disk(next(models[0].glob("*.safetensors")))
    desk.spec(EXPERTS, expert_reads="0 B", block=block)
    assert desk.python(PROGRAM).returncode == 0  # base and code are in the page cache now
    desk.spec(EXPERTS, expert_reads="20%", block=block)
    for model in models[1:]:
        evict(model)
    done = desk.python(PROGRAM)
    assert done.returncode == 0, done.stderr
    kernel, ledger = (int(float(word)) for word in done.stdout.split()[1:4:2])
    base, full = stored_bytes(models[0]), sum(map(stored_bytes, models[1:]))
    assert 0.18 * full < ledger <= 0.2 * full
    assert ledger <= kernel <= ledger + base + 8_000_000, "the base may have left the cache"
    if fetched(models[1:]) > ledger // 4:
        pytest.skip(f"{desk.folder} is on a file system whose cache cannot be left out")

"""Kill the process anywhere: the store opens, holds only complete results, and the work can go on."""

import errno
import os
import random
import resource
import time
from contextlib import contextmanager

import pytest

from fusec.runtime.digest import folder_digest
from fusec.runtime.durable import full_disk_is_clear
from fusec.runtime.kernel import RunError
from fusec.runtime.store import Store

IDS = ("n0", "n1", "n2")


def fill(folder, id):
    generator = random.Random(id)
    for number in range(3):
        with open(folder / f"shard-{number}", "wb") as file:
            for _ in range(4):
                file.write(generator.randbytes(5_000))
                file.flush()


def make(store, id):
    with store.stage(id) as folder:
        if not store.has(id):
            fill(folder, id)
            store.publish("model", id, folder)
        store.set_ref("newest", id)


def work_forever(root):
    store = Store(root)
    while True:
        for id in IDS:
            make(store, id)
        for id in IDS:
            store.discard(id)


def work_once(root, failpoint):
    os.environ["FUSEC_FAILPOINT"] = failpoint
    store = Store(root)
    make(store, IDS[0])
    store.discard(IDS[0])


@pytest.fixture
def roots(tmp_path):
    found = {}
    for id in IDS:
        (tmp_path / id).mkdir()
        fill(tmp_path / id, id)
        found[id] = folder_digest(tmp_path / id).root
    return found


def assert_whole(root, roots):
    store = Store(root)
    assert list((root / "staging").iterdir()) == []
    on_disk = {path.name: folder_digest(path).root for path in (root / "objects/model").iterdir()}
    recorded = {row.id: row.digest.root for row in store.catalog.objects()}
    assert on_disk == recorded
    assert on_disk.items() <= roots.items()
    assert set(store.refs().values()) <= set(IDS)
    assert Store(root).recovery == type(store.recovery)()
    return store


def assert_completes(root, roots):
    store = assert_whole(root, roots)
    for id in IDS:
        make(store, id)
    assert {id: store.digest(id).root for id in IDS} == roots
    assert store.ref("newest") == IDS[-1]
    for id in IDS:
        store.discard(id)
    store.close()


def test_killed_at_two_hundred_random_moments(tmp_path, roots, fork):
    moments, mended = random.Random(7), 0
    root = tmp_path / ".fusec"
    for _ in range(200):
        child = fork(work_forever, root)
        time.sleep(moments.uniform(0.003, 0.02))
        child.kill()
        child.join()
        assert child.exitcode == -9
        found = assert_whole(root, roots)
        mended += bool(found.recovery.dropped_staging)
        found.close()
    assert mended, "some kills must hit work in progress"
    assert_completes(root, roots)


@pytest.mark.parametrize("point", ["publish.sealed", "publish.renamed", "publish.recorded", "discard.moved"])
def test_killed_at_a_named_point(tmp_path, roots, fork, point):
    child = fork(work_once, tmp_path / ".fusec", point)
    child.join()
    assert child.exitcode == -9
    assert_completes(tmp_path / ".fusec", roots)


def test_a_dead_process_holds_no_lease(store, fork, tmp_path):
    def hold():
        with Store(store.root).stage("n0") as folder:
            (folder / "half").write_text("x")
            (tmp_path / "holding").touch()
            time.sleep(60)

    child = fork(hold)
    while not (tmp_path / "holding").exists():
        time.sleep(0.01)
    assert Store(store.root).recovery.dropped_staging == ()  # alive: left alone
    assert (store.root / "staging/n0/half").exists()

    def give_up(pid):
        raise RunError(f"process {pid} has it")

    with pytest.raises(RunError, match=f"process {child.pid} has it"), store.stage("n0", waiting=give_up):
        pass
    child.kill()
    child.join()
    with store.stage("n0") as folder:
        assert list(folder.iterdir()) == []


def test_two_processes_make_one_result_once(store, fork, tmp_path):
    def compute():
        mine = Store(store.root)
        with mine.stage("n0") as folder:
            if not mine.has("n0"):
                with open(tmp_path / "made", "a") as file:
                    file.write("x")
                time.sleep(0.05)
                fill(folder, "n0")
                mine.publish("model", "n0", folder)

    children = [fork(compute) for _ in range(4)]
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert (tmp_path / "made").read_text() == "x"
    assert store.verify("n0") == ()


def test_a_killed_run_counts_as_interrupted(store, fork, tmp_path):
    def run():
        mine = Store(store.root)
        with mine.run("r1", "a.fuse"):
            os.kill(os.getpid(), 9)

    fork(run).join()
    assert Store(store.root).recovery.interrupted_runs == ("r1",)
    assert store.catalog.run("r1").state == "interrupted"


@contextmanager
def largest_file(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_for_a_result_is_one_clear_error(store):
    with (
        pytest.raises(RunError, match=r"staging/n0, failed: file too large"),
        largest_file(1_000_000),
        store.stage("n0") as folder,
    ):
        (folder / "weights").write_bytes(bytes(2_000_000))
    assert list((store.root / "staging").iterdir()) == []
    assert not store.has("n0")


def test_a_full_disk_under_the_store_leaves_it_usable(tiny_disk):
    store = Store(tiny_disk / ".fusec")
    with pytest.raises(RunError, match=r"no space left on device"), store.stage("big") as folder:
        (folder / "weights").write_bytes(bytes(2_000_000))
    make(store, "n0")
    assert store.verify("n0") == ()
    store.close()


def test_a_library_that_wraps_the_system_error_is_understood(tmp_path):
    text = f"Error while serializing: I/O error: {os.strerror(errno.ENOSPC)} (os error 28)"
    with pytest.raises(RunError, match=r"which needs 1,000 bytes, failed: no space left"):  # noqa: SIM117
        with full_disk_is_clear(tmp_path, 1000):
            raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="something else"), full_disk_is_clear(tmp_path):
        raise RuntimeError("something else")

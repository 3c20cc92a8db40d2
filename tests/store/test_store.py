"""Results are published whole, once, and stay."""

import threading
import time

import pytest

from fusec.runtime.digest import folder_digest
from fusec.runtime.kernel import RunError
from fusec.runtime.store import Store


def put(store, id, text="hello", kind="model", run=None):
    with store.stage(id) as folder:
        (folder / "deep").mkdir()
        (folder / "config.json").write_text(text)
        (folder / "deep" / "weights").write_text(text * 2)
        return store.publish(kind, id, folder, run=run)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_result_is_there_after_publish_and_after_reopening(store):
    assert store.get("m1") is None
    artifact = put(store, "m1", run="r1")
    assert artifact.path == store.root / "objects/model/m1"
    assert names(artifact.path) == ["config.json", "deep"]
    again = Store(store.root)
    assert again.get("m1") == artifact
    assert again.digest("m1") == folder_digest(artifact.path)
    assert again.catalog.object("m1").run == "r1"


def test_a_result_holds_no_housekeeping_and_is_read_only(store):
    with store.stage("m1") as folder:
        (folder / ".cache").mkdir()
        (folder / ".cache" / "x").write_text("x")
        (folder / ".lock").write_text("x")
        (folder / "config.json").write_text("{}")
        path = store.publish("model", "m1", folder).path
    assert names(path) == ["config.json"]
    assert (path / "config.json").stat().st_mode & 0o222 == 0


def test_staging_that_is_not_published_leaves_nothing(store):
    with pytest.raises(ValueError, match="kernel"), store.stage("m1") as folder:
        (folder / "half").write_text("x")
        raise ValueError("kernel")
    assert store.get("m1") is None
    assert names(store.root / "staging") == []


def test_the_same_bytes_again_are_fine_and_other_bytes_are_an_error(store):
    first = put(store, "m1")
    assert put(store, "m1") == first
    kept = store.digest("m1").root
    with pytest.raises(RunError, match="FUSE406") as caught:
        put(store, "m1", "other")
    assert kept in caught.value.what
    assert store.digest("m1").root == kept
    assert store.verify("m1") == ()
    assert names(store.root / "staging") == []


def test_verify_names_what_was_changed_added_and_lost(store):
    path = put(store, "m1").path
    (path / "config.json").chmod(0o644)
    (path / "config.json").write_text("HELLO")  # same size
    (path / "deep" / "weights").unlink()
    (path / "new").write_text("x")
    assert store.verify("m1") == ("config.json", "deep/weights", "new")
    store.discard("m1")
    assert store.get("m1") is None and store.catalog.object("m1") is None
    put(store, "m1")
    assert store.verify("m1") == ()


def test_names_point_to_ids(store):
    assert store.ref("final/data[en]") is None
    store.set_ref("final/data[en]", "m1")
    store.set_ref("..", "m2")
    store.set_ref("final/data[en]", "m3")
    assert store.ref("final/data[en]") == "m3"
    assert store.refs() == {"..": "m2", "final/data[en]": "m3"}


@pytest.mark.parametrize("id", ["", "..", "a/b", "../x", "a.lock", "é", "x" * 201])
def test_an_id_cannot_leave_the_store(store, id):
    for use in (store.get, store.run_folder, lambda id: store.set_ref("x", id), lambda id: put(store, id)):
        with pytest.raises(RunError, match="is not an id"):
            use(id)


def test_opening_tells_one_story_of_disk_and_catalog(store):
    put(store, "lost")
    put(store, "found")
    store.catalog.drop_object("found")
    (store.root / "objects/model/lost").rename(store.root / "staging/lost")
    again = Store(store.root)
    assert again.recovery.rolled_forward == ("found",)
    assert again.recovery.dropped_rows == ("lost",)
    assert again.recovery.dropped_staging == ("lost",)
    assert [row.id for row in again.catalog.objects()] == ["found"]
    assert again.verify("found") == ()
    assert Store(store.root).recovery.rolled_forward == ()


def test_a_lost_catalog_is_rebuilt(store):
    put(store, "m1")
    root = store.digest("m1").root
    store.close()
    for path in store.root.glob("catalog.db*"):
        path.unlink()
    assert Store(store.root).digest("m1").root == root


def test_two_threads_make_one_result_once(store):
    made = []

    def make():
        with store.stage("m1") as folder:
            if not store.has("m1"):
                made.append(1)
                time.sleep(0.02)
                (folder / "x").write_text("x")
                store.publish("data", "m1", folder)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_run_ends_in_the_state_it_was_given(store):
    with store.run("r1", "a.fuse") as folder:
        assert folder == store.root / "runs/r1"
        assert store.catalog.run("r1").state == "running"
        assert Store(store.root).recovery.interrupted_runs == ()
        store.catalog.finish_run("r1", "done", 1.5, "runs/r1/manifest.json")
    with pytest.raises(RunError, match="bad row"), store.run("r2", "a.fuse"):
        raise RunError("bad row")
    with pytest.raises(KeyboardInterrupt), store.run("r3", "a.fuse"):
        raise KeyboardInterrupt
    states = {row.id: row.state for row in store.catalog.runs()}
    assert states == {"r1": "done", "r2": "failed", "r3": "interrupted"}

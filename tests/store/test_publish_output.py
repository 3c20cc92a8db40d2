"""An output appears whole, and nothing that a person made is ever lost."""

import json
import os
import random
import time

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from fusec.runtime import durable
from fusec.runtime.catalog import Catalog
from fusec.runtime.digest import folder_digest
from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.publish import MARKER, output_root, publish_output


@pytest.fixture
def publish(tmp_path):
    catalog = Catalog(tmp_path / "catalog.db")
    yield lambda artifact, to: publish_output(artifact, to, lineage={"plan": "p1"}, catalog=catalog)
    catalog.close()


def table(rows=10):
    return pa.table({"text": [f"row {n}" for n in range(rows)], "score": [n / 2 for n in range(rows)]})


@pytest.fixture
def data(tmp_path):
    def make(name, content, batch=1000):
        folder = tmp_path / "artifacts" / name
        folder.mkdir(parents=True)
        with pa.ipc.new_stream(folder / "data.arrow", content.schema) as writer:
            writer.write_table(content, max_chunksize=batch)
        return Artifact("data", folder, f"id-{name}")

    return make


def leftovers(to):
    return [path.name for path in to.parent.glob(f".{to.name}*")]


def test_a_model_is_written_then_left_alone_then_replaced(tmp_path, publish, model):
    to = tmp_path / "models" / "best-1.5"
    first = publish(model("a"), to)
    assert (first.state, first.root) == ("written", folder_digest(model("a").path).root)
    assert output_root(to) == first.root
    marker = json.loads((to / MARKER).read_text())
    assert (marker["id"], marker["root"], marker["lineage"]) == ("id-a", first.root, {"plan": "p1"})
    assert str(tmp_path) not in (to / MARKER).read_text()
    before = (to / "config.json").stat()
    assert publish(model("a"), to) == type(first)(to, first.root, first.size, "unchanged")
    assert (to / "config.json").stat() == before
    second = publish(model("b"), to)
    assert (second.state, output_root(to)) == ("replaced", folder_digest(model("b").path).root)
    assert leftovers(to) == []


def test_a_link_is_written_through(tmp_path, publish, model):
    (tmp_path / "big-disk").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "big-disk")
    publish(model("a"), tmp_path / "models" / "a")
    assert (tmp_path / "big-disk" / "a" / "config.json").exists()


@pytest.mark.parametrize(
    ("touch", "message"),
    [
        (lambda to: (to / "config.json").write_text("mine"), "was changed after fusec wrote it"),
        (lambda to: (to / "notes.md").write_text("mine"), "was changed after fusec wrote it"),
        (lambda to: (to / "sub" / "vocab.txt").unlink(), "was changed after fusec wrote it"),
        (lambda to: (to / ".git").mkdir(), r"holds \.git, which fusec did not write"),
        (lambda to: (to / MARKER).unlink(), "exists and fusec did not write it"),
        (lambda to: (to / MARKER).write_text("{"), "is damaged"),
    ],
)
def test_a_folder_with_anything_of_the_user_is_not_replaced(tmp_path, publish, model, touch, message):
    to = tmp_path / "out"
    publish(model("a"), to)
    touch(to)
    before = {path: path.read_bytes() for path in to.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=message) as caught:
        publish(model("b"), to)
    assert "move it away" in caught.value.hint
    assert {path: path.read_bytes() for path in to.rglob("*") if path.is_file()} == before
    assert leftovers(to) == []


def test_an_empty_folder_is_filled(tmp_path, publish, model):
    (tmp_path / "out").mkdir()
    assert publish(model("a"), tmp_path / "out").state == "written"


def test_a_report_is_one_file(tmp_path, publish):
    folder = tmp_path / "artifacts" / "r"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text('{"loss": 1.5}')
    report = Artifact("report", folder, "id-r")
    to = tmp_path / "reports" / "r.json"
    assert publish(report, to).state == "written"
    assert json.loads(to.read_text()) == {"loss": 1.5}
    assert publish(report, to).state == "unchanged"
    with pytest.raises(RunError, match=r"cannot go to .*: a report is one \.json file"):
        publish(report, tmp_path / "reports" / "r.txt")


def test_a_file_that_fusec_did_not_write_is_not_replaced(tmp_path, publish, data):
    to = tmp_path / "rows.jsonl"
    to.write_text("mine")
    with pytest.raises(RunError, match="fusec did not write it"):
        publish(data("a", table(3)), to)
    assert to.read_text() == "mine"
    to.unlink()
    assert publish(data("b", table(4)), to).state == "written"
    assert publish(data("c", table(5)), to).state == "replaced"
    to.write_text(to.read_text() + "one more\n")
    with pytest.raises(RunError, match="fusec did not write it, or it was changed since"):
        publish(data("d", table(6)), to)


READERS = {
    "rows.parquet": pa.parquet.read_table,
    "rows.csv": pa.csv.read_csv,
    "rows.jsonl": lambda path: pa.Table.from_pylist(
        [json.loads(line) for line in path.read_text().splitlines()]
    ),
    "rows": pa.parquet.read_table,
}


@pytest.mark.parametrize("name", READERS)
def test_data_reads_back_and_does_not_depend_on_batches(tmp_path, publish, data, name):
    whole, cut = data("whole", table(100)), data("cut", table(100), batch=7)
    first = publish(whole, tmp_path / "one" / name)
    second = publish(cut, tmp_path / "two" / name)
    assert first.root == second.root == output_root(tmp_path / "one" / name)
    assert READERS[name](first.path).select(["text", "score"]).equals(table(100))
    assert publish(whole, tmp_path / "one" / name).state == "unchanged"


def test_a_folder_of_data_loads_with_datasets(tmp_path, publish, data):
    datasets = pytest.importorskip("datasets")
    publish(data("a", table(5)), tmp_path / "rows")
    found = datasets.load_dataset(str(tmp_path / "rows"), split="train", cache_dir=str(tmp_path / "cache"))
    assert found["text"][:] == table(5)["text"].to_pylist()


def test_data_that_does_not_fit_the_format_is_named(tmp_path, publish, data):
    nested = pa.table({"chat": [["hello"]]})
    with pytest.raises(RunError, match=r"a \.csv file cannot hold the columns \(chat: list"):
        publish(data("nested", nested), tmp_path / "rows.csv")
    torn = data("torn", table(1000))
    (torn.path / "data.arrow").write_bytes((torn.path / "data.arrow").read_bytes()[:5000])
    with pytest.raises(RunError, match=r"data\.arrow is not a complete Arrow stream"):
        publish(torn, tmp_path / "rows.jsonl")
    assert not list(tmp_path.glob("*rows*"))


def test_a_damaged_result_is_never_published(tmp_path, store):
    with store.stage("m1") as folder:
        (folder / "weights").write_bytes(b"good")
        artifact = store.publish("model", "m1", folder)
    (artifact.path / "weights").chmod(0o644)
    (artifact.path / "weights").write_bytes(b"evil")
    with pytest.raises(RunError, match="is damaged: its content is no longer"):
        publish_output(artifact, tmp_path / "out", lineage={}, catalog=store.catalog)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_old_output(tiny_disk, publish, model):
    small, large = model("a"), model("b", size=2_000_000)
    publish(small, tiny_disk / "out")
    with pytest.raises(RunError, match=r"disk/out, which needs 2,000,\d+ bytes, failed: no space left"):
        publish(large, tiny_disk / "out")
    assert output_root(tiny_disk / "out") == folder_digest(small.path).root
    assert [path.name for path in tiny_disk.iterdir()] == ["out"]


@pytest.mark.parametrize("name", READERS)
def test_a_full_disk_under_data_is_the_same_clear_error(tiny_disk, publish, data, name):
    noise = random.Random(0)
    rows = pa.table({"text": [noise.randbytes(1000).hex() for _ in range(2000)]})
    with pytest.raises(RunError, match=r"disk/rows.* failed: no space left"):
        publish(data("a", rows), tiny_disk / name)
    assert list(tiny_disk.iterdir()) == []


# --- killed anywhere ----------------------------------------------------------------------------------------


def publish_forever(root, artifacts, to):
    catalog = Catalog(root)
    while True:
        for artifact in artifacts:
            publish_output(artifact, to, lineage={}, catalog=catalog)


def publish_once(root, artifact, to, failpoint, exchange=True):
    os.environ["FUSEC_FAILPOINT"] = failpoint
    if not exchange:
        durable._renameat2 = None  # a system without an atomic exchange
    publish_output(artifact, to, lineage={}, catalog=Catalog(root))


def test_a_reader_sees_the_old_or_the_new_folder_through_forty_kills(tmp_path, publish, model, fork):
    artifacts = model("a"), model("b")
    whole = {folder_digest(artifact.path).root for artifact in artifacts}
    configs = {(artifact.path / "config.json").read_text() for artifact in artifacts}
    to, moments, seen = tmp_path / "out", random.Random(3), set()
    publish(artifacts[0], to)
    for _ in range(40):
        child = fork(publish_forever, tmp_path / "catalog.db", artifacts, to)
        until = time.monotonic() + moments.uniform(0.01, 0.08)
        while time.monotonic() < until:
            seen.add((to / "config.json").read_text())
        child.kill()
        child.join()
        assert output_root(to) in whole
    assert seen == configs
    for artifact in artifacts:
        publish(artifact, to)
        assert output_root(to) == folder_digest(artifact.path).root
        assert leftovers(to) == []


@pytest.mark.parametrize("point", ["output.staged", "output.swapped"])
@pytest.mark.parametrize("name", ["out", "out.csv"])
def test_killed_around_the_swap(tmp_path, publish, model, data, fork, point, name):
    if name == "out":
        old, new = model("a"), model("b")
    else:
        old, new = data("a", table(3)), data("b", table(4))
    to = tmp_path / "models" / name
    before = publish(old, to).root
    child = fork(publish_once, tmp_path / "catalog.db", new, to, point)
    child.join()
    assert child.exitcode == -9
    assert (output_root(to) == before) == (point == "output.staged")
    after = publish(new, to)
    assert after.state == ("replaced" if point == "output.staged" else "unchanged")
    assert output_root(to) == after.root
    assert leftovers(to) == []


def test_killed_between_two_renames_the_old_folder_comes_back(tmp_path, publish, model, fork):
    to = tmp_path / "out"
    publish(model("a"), to)
    child = fork(publish_once, tmp_path / "catalog.db", model("b"), to, "swap.aside", False)
    child.join()
    assert child.exitcode == -9
    assert publish(model("a"), to).state == "unchanged"
    assert leftovers(to) == []


def test_without_an_atomic_exchange_the_folder_is_replaced_all_the_same(tmp_path, publish, model, fork):
    to = tmp_path / "out"
    publish(model("a"), to)
    child = fork(publish_once, tmp_path / "catalog.db", model("b"), to, "", False)
    child.join()
    assert child.exitcode == 0
    assert output_root(to) == folder_digest(model("b").path).root
    assert leftovers(to) == []

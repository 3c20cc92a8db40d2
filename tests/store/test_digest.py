"""A digest is about content: names, sizes and bytes, nothing else."""

import hashlib
import os
import random
import shutil
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.runtime.digest import FileEntry, digest_of, file_digest, folder_digest
from fusec.runtime.kernel import RunError

entries = st.lists(
    st.builds(FileEntry, st.text("ab/é", min_size=1), st.integers(0, 9), st.sampled_from(["00", "ff"])),
    unique_by=lambda entry: entry.name,
)


@given(entries, st.randoms(use_true_random=False))
def test_order_does_not_count(files, random):
    shuffled = random.sample(files, len(files))
    assert digest_of(files) == digest_of(shuffled)


@given(entries, entries)
def test_different_folders_have_different_roots(one, other):
    assert (digest_of(one).root == digest_of(other).root) == (sorted(one) == sorted(other))


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (1 << 20) + 1])
def test_a_file_digest_is_the_plain_sha256(tmp_path, size):
    data = random.Random(0).randbytes(size)
    (tmp_path / "x").write_bytes(data)
    assert file_digest(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_place_times_modes_and_housekeeping_do_not_count(tmp_path, model):
    original = model("a").path
    copy = tmp_path / "elsewhere" / "b"
    shutil.copytree(original, copy)
    os.utime(copy / "config.json", (1, 1))
    (copy / "config.json").chmod(0o600)
    (copy / ".DS_Store").write_text("x")
    (copy / ".cache").mkdir()
    (copy / ".cache" / "download").write_text("x")
    (copy / "empty").mkdir()
    assert folder_digest(copy) == folder_digest(original)
    assert folder_digest(copy).size == sum(file.size for file in folder_digest(copy).files)
    (copy / "config.json").write_text("{}")
    assert folder_digest(copy).root != folder_digest(original).root


def test_a_snapshot_of_links_equals_a_plain_copy(tmp_path, model):
    original = model("a").path
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for name in ("config.json", "model.safetensors", "sub"):
        (snapshot / name).symlink_to(original / name)
    assert folder_digest(snapshot) == folder_digest(original)


def test_a_decomposed_name_is_the_same_name(tmp_path):
    for form in ("NFC", "NFD"):
        (tmp_path / form).mkdir()
        (tmp_path / form / unicodedata.normalize(form, "é.txt")).write_text("x")
    assert folder_digest(tmp_path / "NFC") == folder_digest(tmp_path / "NFD")


def test_what_cannot_be_hashed_is_named(tmp_path):
    with pytest.raises(RunError, match=r"nowhere is not a folder"):
        folder_digest(tmp_path / "nowhere")
    (tmp_path / "gone").symlink_to("nothing")
    with pytest.raises(RunError, match=r"gone is a link to a file that does not exist"):
        folder_digest(tmp_path)
    (tmp_path / "gone").unlink()
    (tmp_path / "round").symlink_to(tmp_path)
    with pytest.raises(RunError, match=r"round is a link to a folder that contains it"):
        folder_digest(tmp_path)
    (tmp_path / "round").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match=r"pipe is neither a file nor a folder"):
        folder_digest(tmp_path)
    (tmp_path / "pipe").unlink()
    (tmp_path / os.fsdecode(b"\xff")).write_text("x")
    with pytest.raises(RunError, match=r"not UTF-8"):
        folder_digest(tmp_path)

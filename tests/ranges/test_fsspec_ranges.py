"""Ranges of what fsspec reads, on a file system in memory."""

import fsspec
import pytest

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges import Changed, open_remote, retrying
from fusec.runtime.ranges.fsspec_file import FsspecFile, names_in

CONTENT = bytes(range(200))


@pytest.fixture(params=["memory", "versioned"])
def scheme(request, monkeypatch, versioned):
    monkeypatch.setattr(retrying, "WAIT", 0.0)
    fs = fsspec.filesystem(request.param)
    fs.pipe("/m/w.bin", CONTENT)
    yield request.param
    fs.rm("/m", recursive=True)


def read(file, start, count):
    buffer = bytearray(count)
    assert file.read_into(memoryview(buffer), start, "tensor `a`") == count
    return bytes(buffer)


def test_ranges_are_read(scheme):
    file, head = open_remote(f"{scheme}://m/w.bin", 8)
    assert (file.size, head, bool(file.version)) == (200, CONTENT[:8], scheme == "versioned")
    assert read(file, 100, 50) == CONTENT[100:150]
    assert file.traffic.bytes == 58
    assert open_remote(f"{scheme}://m/none", 8) is None
    assert names_in(f"{scheme}://m") == ("w.bin",)
    assert names_in(f"{scheme}://none") == ()


def test_a_short_answer_is_asked_for_again(scheme, versioned):
    if scheme == "memory":
        return
    file, _ = open_remote("versioned://m/w.bin", 8)
    versioned.cut = 2
    assert read(file, 0, 10) == CONTENT[:10]
    versioned.cut = 9
    with pytest.raises(RunError, match=r"tensor `a` cannot be read at byte 0: 9 of 10 bytes came, and so 5"):
        read(file, 0, 10)


def test_a_change_is_noticed_afterwards(scheme):
    if scheme == "memory":
        return
    file, _ = open_remote("versioned://m/w.bin", 8)
    file.require_unchanged()
    fsspec.filesystem("versioned").pipe("/m/w.bin", CONTENT[::-1])
    with pytest.raises(Changed, match="the store holds another version"):
        file.require_unchanged()


def test_a_missing_package_is_named():
    with pytest.raises(RunError, match="`s3://` needs a package that is not installed") as error:
        FsspecFile.open("s3://bucket/model/config.json", 8)
    assert error.value.hint == 'pip install "fusec[s3]"'

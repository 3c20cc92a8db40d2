"""The catalog remembers; it never knows better than the disk."""

import os
import sqlite3

import pytest

from fusec.runtime.catalog import VERSION, Catalog
from fusec.runtime.digest import file_digest
from fusec.runtime.kernel import RunError


@pytest.fixture
def catalog(tmp_path):
    opened = Catalog(tmp_path / "catalog.db")
    yield opened
    opened.close()


def old(path, data):
    """A file of a minute ago, old enough to be remembered."""
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_a_digest_is_remembered(tmp_path, catalog, monkeypatch):
    monkeypatch.setattr("fusec.runtime.catalog._RACY_SECONDS", 0)
    path = old(tmp_path / "x", b"one")
    first = catalog.file_digest(path)
    monkeypatch.setattr("fusec.runtime.catalog.file_digest", None)  # hashing again would fail
    (tmp_path / "link").symlink_to(path)
    assert catalog.file_digest(path) == catalog.file_digest(tmp_path / "link") == first


def test_other_bytes_of_the_same_size_and_time_are_noticed(tmp_path, catalog, monkeypatch):
    monkeypatch.setattr("fusec.runtime.catalog._RACY_SECONDS", 0)
    path = old(tmp_path / "x", b"one")
    catalog.file_digest(path)
    old(path, b"two")
    assert catalog.file_digest(path) == file_digest(path)


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, catalog):
    (tmp_path / "x").write_bytes(b"one")
    catalog.file_digest(tmp_path / "x")
    assert catalog._run("SELECT * FROM digests") == []


def test_estimates_come_back_beside_actuals(catalog):
    catalog.add_estimate("merge", "cpu", {"seconds": [1, 2, 3]}, {"seconds": 2.5})
    catalog.add_estimate("init", "cpu", {}, {})
    (row,) = catalog.estimates("merge")
    assert (row.key, row.estimate, row.actual) == ("cpu", {"seconds": [1, 2, 3]}, {"seconds": 2.5})


def test_a_newer_catalog_is_refused(tmp_path, catalog):
    with sqlite3.connect(catalog.path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(RunError, match=rf"FUSE505: .* has format {VERSION + 1}, .* up to {VERSION}"):
        Catalog(catalog.path)


def test_a_damaged_catalog_is_refused(tmp_path):
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match=r"bad\.db cannot be opened") as caught:
        Catalog(tmp_path / "bad.db")
    assert "rebuilt" in caught.value.hint

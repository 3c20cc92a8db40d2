"""Reading ranges over HTTP: the right bytes, or one sentence, whatever the server does."""

import socket

import pytest

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges import Changed, open_remote
from fusec.runtime.ranges.http import HttpFile
from fusec.runtime.trouble import may_pass

CONTENT = bytes(range(251)) * 400


@pytest.fixture
def address(server):
    (server.root / "w.bin").write_bytes(CONTENT)
    return f"{server.url}/w.bin"


def opened(address: str) -> HttpFile:
    file, _ = HttpFile.open(address, 8)
    return file


def read(file: HttpFile, start: int, count: int, what: str = "") -> bytes:
    buffer = bytearray(count)
    assert file.read_into(memoryview(buffer), start, what) == count
    return bytes(buffer)


def test_what_is_asked_for_is_served_and_nothing_else(server, address):
    file = opened(address)
    assert (file.size, file.version) == (len(CONTENT), server.etag(CONTENT))
    for start, count in ((0, 1), (17, 4000), (len(CONTENT) - 3, 3), (5, 0)):
        assert read(file, start, count) == CONTENT[start : start + count]
    assert server.served["/w.bin"] == file.traffic.bytes == 8 + 1 + 4000 + 3
    assert server.requests == [("/w.bin", *r) for r in ((0, 7), (0, 0), (17, 4016), (100397, 100399))]


def test_one_request_opens_a_small_file_and_reads_it(server, address):
    file, head = open_remote(address, 1 << 20)
    assert head == CONTENT
    assert file.traffic.requests == 1
    (server.root / "empty").write_bytes(b"")
    file, head = open_remote(f"{server.url}/empty", 10)
    assert (file.size, head) == (0, b"")
    assert open_remote(f"{server.url}/none", 10) is None


@pytest.mark.parametrize("fault", ["500", "502", "503", "504", "429", "stall", "truncate", "trickle"])
def test_a_fault_that_passes_is_got_over(server, impatient, address, fault):
    file = opened(address)
    server.faults["/w.bin"] = [fault] * 2
    assert read(file, 100, 5000) == CONTENT[100:5100]
    assert file.traffic.retries >= 2
    # What came before an answer broke off is kept, so no byte comes twice.
    assert server.served["/w.bin"] == file.traffic.bytes == 8 + 5000


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "the server answered 500"),
        ("stall", "the server stalled for 0.5 s"),
        ("truncate", r"the answer broke off after \d+ of 100 bytes"),
    ],
)
def test_a_fault_that_stays_is_one_sentence(server, impatient, address, fault, reason):
    file = opened(address)
    server.faults["/w.bin"] = [fault] * 9
    with pytest.raises(RunError, match=rf"w.bin: tensor `a` cannot be read at byte \d+: {reason}") as error:
        read(file, 50, 100, "tensor `a`")
    assert "and so 5 times" in error.value.what
    assert may_pass(error.value)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("ignore", "the server answers a request for bytes 0 to 99 with the whole file"),
        ("shift", "the server was asked for bytes 0 to 99 and sends bytes 1 to 100 of 100400"),
        ("silent", "the server does not say which bytes of how many it sends"),
        ("pack", "the server packs parts of the file"),
        ("403", "the server answered 403"),
        ("418", "the server answered 418"),
    ],
)
def test_a_wrong_answer_is_refused_at_once(server, address, fault, reason):
    file = opened(address)
    server.faults["/w.bin"] = [fault]
    with pytest.raises(RunError, match=reason) as error:
        read(file, 0, 100)
    assert error.value.hint or fault in ("shift", "silent", "pack")
    assert file.traffic.bytes == 8, "nothing of the body is read"
    assert not may_pass(error.value)


@pytest.mark.parametrize("honours", [True, False], ids=["if-match", "no-if-match"])
def test_a_file_that_changes_is_never_mixed(server, address, honours):
    file = opened(address)
    server.honours_if_match = honours
    read(file, 0, 10)
    (server.root / "w.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(Changed, match=r"FUSE402: http://.*/w.bin changed since it was locked"):
        read(file, 10, 10)


def test_a_file_that_shrinks_has_changed(server, address):
    server.honours_if_match = False
    file = opened(address)
    (server.root / "w.bin").write_bytes(CONTENT[:50])
    with pytest.raises(Changed, match="no longer has 110 bytes"):
        read(file, 100, 10)


@pytest.mark.parametrize("etags", ["weak", "none"])
def test_only_a_strong_etag_is_a_version(server, address, etags):
    server.etags = etags
    server.dates["/w.bin"] = "Mon, 01 Jan 2024 00:00:00 GMT"
    file = opened(address)
    assert file.version is None
    assert read(file, 3, 5) == CONTENT[3:8]
    server.dates["/w.bin"] = "Tue, 02 Jan 2024 00:00:00 GMT"
    with pytest.raises(Changed, match="its ETag or date is another one"):
        read(file, 3, 5)


def test_a_redirect_is_followed_and_never_told(server, address):
    server.redirects["/moved.bin"] = f"{server.url}/w.bin?X-Signature=hunter2"
    file = opened(f"{server.url}/moved.bin")
    assert read(file, 1, 9) == CONTENT[1:10]
    server.faults["/w.bin?X-Signature=hunter2"] = ["404"]
    with pytest.raises(RunError, match=r"moved.bin is not there") as error:
        read(file, 1, 9)
    assert "hunter2" not in error.value.what + error.value.hint


def test_a_secret_in_an_address_is_never_told(server, address):
    secret = address.replace("http://", "http://me:hunter2@") + "?token=hunter2"
    file = HttpFile(secret, len(CONTENT), '"x"')
    with pytest.raises(Changed) as error:
        read(file, 0, 1)
    assert "hunter2" not in error.value.what
    assert file.name == address


def test_nobody_there(server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(RunError, match=r"cannot be read at byte 0: the server cannot be reached, and so 5"):
        open_remote(f"http://127.0.0.1:{port}/x", 8)


def test_credentials_come_from_netrc(server, address, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    opened(address)
    assert server.logins == {"Basic bWU6aHVudGVyMg=="}


def test_a_broken_netrc_is_told_without_its_content(server, address, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me secret hunter2\n")
    with pytest.raises(RunError, match="netrc cannot be read: line 1 is no part") as error:
        opened(address)
    assert "hunter2" not in error.value.what

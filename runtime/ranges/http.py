"""Ranges of a file behind HTTP(S).

Every request is for one range, and its answer is looked at before its body is: status 206, exactly the
range that was asked for, the size and the version of the first answer. Servers that are busy, slow or break
off are asked again, for the part that is still missing. Credentials come from `~/.netrc` (or `$NETRC`) alone.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Self

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.addresses import shown
from fusec.runtime.ranges.file import Changed, Traffic, labelled
from fusec.runtime.ranges.retrying import ATTEMPTS, LONGEST_WAIT, Attempts

if TYPE_CHECKING:
    from httpx2 import Client, NetRCAuth, Response

CONNECTIONS = 8
"""Requests that may be under way at a time, over all files."""

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as stalled."""

SLOWEST = 16 << 10
"""Bytes a second below which an answer counts as stalled too."""

_BUSY = {408, 425, 429, 500, 502, 503, 504}
_ABSENT = {404, 410}
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)\Z")


class Absent(RunError):
    """There is no such file."""


class Forbidden(RunError):
    """The server shows it to nobody, or not to us; some say so of files that are not there."""


class _Again(Exception):
    """The answer is no good, and the next one may be."""


class HttpFile:
    """A file behind HTTP(S) that is asked for ranges.

    Without a `size` the first read learns it, with the version and whatever else tells that the file changed.
    A read that fails is tried `attempts` times in all.
    """

    def __init__(
        self, address: str, size: int = -1, version: str | None = None, attempts: int = ATTEMPTS
    ) -> None:
        self.address, self.name, self.attempts = address, shown(address), attempts
        self.size, self.version, self.traffic = size, version, Traffic()
        self._marks: tuple[str, str] | None = None

    @classmethod
    def open(cls, address: str, peek: int) -> tuple[Self, bytes] | None:
        """The file with its first `peek` bytes, from one request; None where there is none."""
        file, head = cls(address), bytearray(peek)
        try:
            got = file._fill(memoryview(head), 0, "")
        except Absent:
            return None
        return file, bytes(head[:got])

    def at_hand(self, start: int, stop: int) -> bool:
        return False

    def read_into(self, buffer: memoryview, offset: int, what: str = "", *, again: bool = False) -> int:
        return self._fill(buffer, offset, what)

    def require_unchanged(self) -> None:
        """Nothing to do: every answer was held against the version."""

    def close(self) -> None:
        """Nothing to do: connections belong to all files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- one read ---------------------------------------------------------------------------

    def _fill(self, view: memoryview, offset: int, what: str) -> int:
        """Fills the view, or its start where the file turns out to end before it does."""
        from httpx2 import TimeoutException, TransportError

        done, want, reason, attempts = 0, len(view), "", Attempts(self.attempts)
        where = labelled(self.name, what)
        if not want:
            return 0
        for attempt in attempts:
            self.traffic.count(requests=1, retries=int(attempt > 0))
            try:
                with self._ask(offset + done, offset + want, where, attempts) as response:
                    want = min(want, max(0, self.size - offset))
                    for chunk in self._body(response, want - done):
                        if len(chunk) > want - done:
                            raise RunError(
                                f"{where}: the server sent more than the {want} bytes it was asked for"
                            )
                        view[done : done + len(chunk)] = chunk
                        done += len(chunk)
                if done == want:
                    return done
                reason = f"the answer broke off after {done} of {want} bytes"
            except TimeoutException:
                reason = f"the server stalled for {TIMEOUT:g} s"
            except TransportError as error:
                reason = _in_words(error, done, want)
            except _Again as again:
                reason = str(again)
        tried = f"{where} cannot be read at byte {offset + done}: {reason}, and so {self.attempts} times"
        hint = "look at the server or the network, and run again: what is done stays done"
        # The cause says that this may pass, to those who try whole tasks again.
        raise RunError(tried, hint=hint) from ConnectionError(reason)

    @contextmanager
    def _ask(self, start: int, stop: int, where: str, attempts: Attempts) -> Iterator[Response]:
        """The checked answer for bytes from `start` to before `stop`, its body still to be read."""
        from httpx2 import Timeout

        headers = {"Range": f"bytes={start}-{stop - 1}"}
        if self.version is not None:
            headers["If-Match"] = self.version
        # Waiting for a free connection is not the server's fault.
        timeout = Timeout(TIMEOUT, pool=None)
        with _client().stream("GET", self.address, headers=headers, timeout=timeout) as response:
            if response.status_code in _BUSY:
                attempts.asked = _seconds(response.headers.get("retry-after", ""))
                raise _Again(f"the server answered {response.status_code}")
            self._require_range(response, start, stop, where)
            yield response

    def _require_range(self, response: Response, start: int, stop: int, where: str) -> None:
        status, headers = response.status_code, response.headers
        found = _RANGE.match(headers.get("content-range", ""))
        if status == 416 and found and found[1] is None and int(found[3]) == 0 and self.size <= 0:
            self.size = 0
            return
        if status == 412:
            raise Changed(where, "the server holds another version")
        if status == 416 and self.size >= 0:
            raise Changed(where, f"it no longer has {stop} bytes")
        if status in _ABSENT:
            raise Absent(f"{where} is not there: the server answered {status}", hint="look at the address")
        if status in (401, 403):
            raise Forbidden(
                f"{where} cannot be read: the server answered {status}",
                hint="credentials come from ~/.netrc: name the host there, with its login and password",
            )
        if status == 200:
            raise RunError(
                f"{where}: the server answers a request for bytes {start} to {stop - 1} with the whole file",
                hint="copy the folder here and name its path, or serve it from a server that knows ranges",
            )
        if status != 206:
            raise RunError(
                f"{where} cannot be read: the server answered {status}", hint="look at the address"
            )
        if headers.get("content-encoding", "identity") != "identity":
            raise RunError(
                f"{where}: the server packs parts of the file, which cannot be unpacked by themselves"
            )
        if found is None or found[1] is None:
            raise RunError(f"{where}: the server does not say which bytes of how many it sends")
        size = int(found[3])
        self._require_same(where, size, headers.get("etag", ""), headers.get("last-modified", ""))
        if (int(found[1]), int(found[2])) != (start, min(stop, size) - 1):
            sent = f"bytes {found[1]} to {found[2]} of {size}"
            raise RunError(f"{where}: the server was asked for bytes {start} to {stop - 1} and sends {sent}")

    def _require_same(self, where: str, size: int, etag: str, modified: str) -> None:
        """Holds an answer against the first one, and against the version where that is known before."""
        if self.size >= 0 and size != self.size:
            raise Changed(where, f"it has {size} bytes and had {self.size}")
        strong = etag if etag.startswith('"') else None
        if self.version is not None and strong != self.version:
            raise Changed(where, "its ETag is another one")
        if self._marks is None:
            self._marks, self.size = (etag, modified), size
            self.version = strong
        elif self._marks != (etag, modified):
            raise Changed(where, "its ETag or date is another one than at the first read")

    def _body(self, response: Response, want: int) -> Iterator[bytes]:
        """The body as it comes. Raises `_Again` when it comes too slowly to end in any useful time."""
        if response.status_code != 206:
            return
        latest = time.monotonic() + TIMEOUT + want / SLOWEST
        for chunk in response.iter_raw():
            self.traffic.count(bytes=len(chunk))
            yield chunk
            if time.monotonic() > latest:
                raise _Again(f"the server sends less than {SLOWEST >> 10} KiB a second")


@cache
def _client() -> Client:
    from httpx2 import Client, Limits

    return Client(
        auth=_netrc(),
        follow_redirects=True,
        headers={"Accept-Encoding": "identity", "User-Agent": "fusec"},
        limits=Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
    )


def _netrc() -> NetRCAuth | None:
    from netrc import NetrcParseError

    from httpx2 import NetRCAuth

    file = os.environ.get("NETRC", os.path.expanduser("~/.netrc"))
    if not os.path.exists(file):
        return None
    try:
        return NetRCAuth(file)
    except NetrcParseError as error:
        raise RunError(f"{file} cannot be read: line {error.lineno} is no part of an entry") from None
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}") from error


def _in_words(error: Exception, done: int, want: int) -> str:
    """Why a connection failed, without what libraries put into their texts."""
    from httpx2 import ConnectError, RemoteProtocolError

    if isinstance(error, ConnectError):
        return "the server cannot be reached"
    if isinstance(error, RemoteProtocolError) and done:
        return f"the answer broke off after {done} of {want} bytes"
    return "the connection broke"


def _seconds(retry_after: str) -> float:
    return min(LONGEST_WAIT, float(retry_after)) if retry_after.isdecimal() else 0.0

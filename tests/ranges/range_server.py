"""A server of ranges that counts what it sends and misbehaves on request."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fusec.runtime.ranges import http


class RangeServer(ThreadingHTTPServer):
    """Serves the files below `root` by range, and nothing without one.

    served    bytes of bodies by path
    requests  (path, first, last) in order
    faults    path -> what to do wrong with its next requests, one after another; "*" is for every path
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.url = root, f"http://127.0.0.1:{self.server_address[1]}"
        self.served: Counter[str] = Counter()
        self.requests: list[tuple[str, int, int]] = []
        self.faults: dict[str, list[str]] = {}
        self.etags, self.honours_if_match, self.most_at_once = "strong", True, 0
        self.absent = 404
        self.dates: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.logins: set[str] = set()
        self.released = threading.Event()
        self.lock, self._now = threading.Lock(), 0

    def etag(self, content: bytes) -> str | None:
        mark = f'"{sha256(content).hexdigest()[:16]}"'
        return {"strong": mark, "weak": f"W/{mark}", "none": None}[self.etags]

    def next_fault(self, path: str) -> str:
        with self.lock:
            planned = self.faults.get(path) or self.faults.get("*") or []
            return planned.pop(0) if planned else ""

    def enter(self, by: int) -> None:
        with self.lock:
            self._now += by
            self.most_at_once = max(self.most_at_once, self._now)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RangeServer

    def do_GET(self) -> None:
        self.server.enter(1)
        try:
            self._answer()
        finally:
            self.server.enter(-1)

    def _answer(self) -> None:
        server, path = self.server, self.path
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if found is None:
            return self._status(400)
        first, last = int(found[1]), int(found[2])
        with server.lock:
            server.requests.append((path, first, last))
            server.logins.add(self.headers.get("Authorization", ""))
        if path in server.redirects:
            return self._status(302, Location=server.redirects[path])
        fault = server.next_fault(path)
        if fault.isdecimal():
            return self._status(int(fault), **{"Retry-After": "0"})
        if fault == "stall":
            server.released.wait(20)
            self.close_connection = True
            return
        file = server.root / path.lstrip("/").partition("?")[0]
        if not file.is_file():
            return self._status(server.absent)
        content = file.read_bytes()
        etag = '"another"' if fault == "etag" else server.etag(content)
        wanted = self.headers.get("If-Match")
        if server.honours_if_match and wanted not in (None, etag):
            return self._status(412)
        if first >= len(content):
            return self._status(416, **{"Content-Range": f"bytes */{len(content)}"})
        last = min(last, len(content) - 1)
        body, status = content[first : last + 1], 206
        if fault == "ignore":
            body, status = content, 200
        shift = {"shift": 1, "": 0}.get(fault, 0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206 and fault != "silent":
            self.send_header("Content-Range", f"bytes {first + shift}-{last + shift}/{len(content)}")
        if fault == "pack":
            self.send_header("Content-Encoding", "gzip")
        if etag:
            self.send_header("ETag", etag)
        if path in server.dates:
            self.send_header("Last-Modified", server.dates[path])
        self.end_headers()
        if fault == "truncate":
            body = body[: len(body) // 2]
            self.close_connection = True
        if fault == "trickle":
            server.served[path] += 1
            self.wfile.write(body[:1])
            server.released.wait(20)
            self.close_connection = True
            return
        # Counted before, as the client may be done with it before this thread goes on.
        with server.lock:
            server.served[path] += len(body)
        self.wfile.write(body)

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@contextmanager
def serving(root: Path) -> Iterator[RangeServer]:
    """A running server of a folder; clients before and after it keep no connection to another one."""
    http._client.cache_clear()
    with RangeServer(root) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()
        http._client.cache_clear()

"""A server of ranges that counts what it sends and misbehaves on request."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from safetensors.numpy import save_file

from fusec.runtime.ranges import http, retrying


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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients take a server for stalled soon."""
    monkeypatch.setattr(http, "TIMEOUT", 0.5)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A server of `tmp_path/www`; clients wait for nothing between attempts."""
    monkeypatch.setattr(retrying, "WAIT", 0.0)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    http._client.cache_clear()
    (tmp_path / "www").mkdir()
    with RangeServer(tmp_path / "www") as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()
        http._client.cache_clear()


TOKENIZER = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}}


def write_model(folder: Path, tensors: dict[str, np.ndarray], shards: int = 1) -> Path:
    """A model folder with a tokenizer; its tensors by turns in so many shards."""
    folder.mkdir(parents=True)
    config = {"architectures": ["TinyForCausalLM"], "vocab_size": 3, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    files = {f"model-{i}.safetensors": names[i::shards] for i in range(shards)}
    for file, held in files.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in files.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def tensors(seed: int, elements: int = 3000) -> dict[str, np.ndarray]:
    """Three float32 tensors of one family."""
    rng = np.random.default_rng(seed)
    shapes = {"embed.weight": (3, 8), "layer.weight": (elements,), "lm_head.weight": (3, 8)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture(name="write_model")
def _write_model() -> Callable[..., Path]:
    return write_model


@pytest.fixture
def family(server: RangeServer) -> Path:
    """`base`, `math` and `code` below the root of the server, `math` in two shards."""
    for seed, (name, shards) in enumerate((("base", 1), ("math", 2), ("code", 1))):
        write_model(server.root / name, tensors(seed), shards)
    return server.root


class Versioned(MemoryFileSystem):
    """An object store: every content has an ETag."""

    protocol = "versioned"
    store: dict[str, object] = {}
    pseudo_dirs = [""]
    cut = 0

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("versioned://", "memory://"))

    def info(self, path, **kwargs):
        found = super().info(path, **kwargs)
        return found | {"ETag": f'"{hash(self.cat_whole(path))}"'} if found["type"] == "file" else found

    def cat_whole(self, path):
        return super().cat_file(path)

    def cat_file(self, path, start=None, end=None, **kwargs):
        content = super().cat_file(path, start=start, end=end, **kwargs)
        if Versioned.cut:
            Versioned.cut -= 1
            return content[:-1]
        return content


@pytest.fixture
def versioned() -> Iterator[type[Versioned]]:
    """The file system `versioned://`; with `cut` its next answers are too short."""
    fsspec.register_implementation("versioned", Versioned, clobber=True)
    yield Versioned
    Versioned.cut = 0

"""Models, deltas and tokenizers in a folder behind an address: `https://host/folder`, `s3://bucket/prefix`.

`check` and `plan` take the small files whole and of the weights the headers alone. A lock pins small files
by SHA-256. Weights it pins by address and version, unread, where the server gives a strong version (an ETag
that is not weak, a generation, a version id); every later read is bound to that version. Without one
nothing but the bytes can tell: `lock` reads the weights once for their SHA-256, and a run copies them whole
and checks the copy before it uses it.

Web servers list no folders, so they are asked for the names that models have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec

from fusec.compiler.facts import FilePin, SourceRequest
from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.addresses import HTTP, join, problem_of, remote_scheme, shown
from fusec.runtime.ranges.file import Changed, RangeFile
from fusec.runtime.ranges.http import Forbidden
from fusec.runtime.ranges.opening import open_remote, reopen
from fusec.runtime.ranges.standin import StandIn, read_stand_in, write_stand_in
from fusec.runtime.sources.locate import CARD, DELTA_FILES, MODEL_FILES, TOKENIZER_FILES, Located, SourceFile
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import READS
from fusec.runtime.sources.safetensors_header import INDEX, SINGLE, header_length

T = TypeVar("T")
U = TypeVar("U")

ADAPTER = "adapter_model.safetensors"
WEIGHTS = ".safetensors"

_NOBODYS = ".fusec-asks-for-what-is-not-there"

SMALL = 1 << 20
"""Bytes that one request for a small file takes at once."""

LIMIT = 256 << 20
"""Bytes of the largest small file: nobody's tokenizer has more."""

CONNECTIONS = 8
"""Files that are fetched at a time."""

_SMALL_OF = {
    "model": ("config.json", "generation_config.json", "adapter_config.json", "delta.json"),
    "delta": ("adapter_config.json", "delta.json"),
    "tokenizer": (),
}
_EXPECTED = {
    "model": "config.json",
    "delta": "adapter_config.json or delta.json",
    "tokenizer": "tokenizer files",
}
_SIGN = {"model": "config.json", "delta": "adapter_config.json", "tokenizer": "tokenizer.json"}
_PATTERNS = {
    "model": (*MODEL_FILES, *TOKENIZER_FILES, "delta.json"),
    "delta": DELTA_FILES,
    "tokenizer": TOKENIZER_FILES,
}
_TOKENIZER = (
    *(name for name in TOKENIZER_FILES if "*" not in name),
    "chat_template.jinja",
    "chat_template.json",
)


# --- looking ------------------------------------------------------------------------------


@contextmanager
def looked_at(request: SourceRequest) -> Iterator[Located]:
    """A folder for a while with what headers tell of a source; messages name the address instead of it."""
    with TemporaryDirectory(prefix="fusec-") as folder:
        try:
            yield look(request, Path(folder))
        except Unusable as unusable:
            fields = msgspec.structs.asdict(unusable.problem)
            address = shown(request.uri)
            kind = fields.pop("kind")
            said = {name: text.replace(folder, address) for name, text in fields.items()}
            raise Unusable(kind, said["what"], hint=said["hint"], where=said["where"]) from unusable


def look(request: SourceRequest, into: Path) -> Located:
    """Fetches what headers tell of a source into an empty folder: small files, and stand-ins of weights.

    Raises `Unusable` where the folder, or a file that it needs, cannot be used.
    """
    _require_address(request)
    try:

        def peek(name: str) -> bytes | None:
            return _if_shown(request.uri, lambda: _small(request.uri, name))

        small = [name for name in _names(request) if not name.endswith(WEIGHTS)]
        found = {name: content for name, content in _all(small, peek) if content is not None}
        for name, content in found.items():
            (into / name).write_bytes(content)
        if not found:
            _small(request.uri, _SIGN[request.kind])  # says why, where nothing may be seen
        sizes = {name: len(content) for name, content in found.items() if name != CARD}
        if request.kind != "tokenizer":
            weights = _weights(request, found)
            sizes |= dict(_all(weights, lambda name: _stand_in(request.uri, name, into)))
    except RunError as error:
        raise Unusable("offline", error.what, hint=error.hint, where=shown(request.uri)) from error
    if not sizes:
        where, what = shown(request.uri), _EXPECTED[request.kind]
        asked = request.kind == "model" and remote_scheme(request.uri) in HTTP
        hint = 'a model that answers there is stated with its name: `{ model: "name" }`' if asked else ""
        raise Unusable("missing", f"`{where}` holds no {what}", hint=hint, where=where)
    return Located(into, tuple(SourceFile(name, into / name, sizes[name]) for name in sorted(sizes)))


def content_of(path: Path) -> str:
    """What pins a file that `look` fetched: `address#version`, or else the SHA-256 of its bytes."""
    stand_in = read_stand_in(path)
    if stand_in is None:
        return sha256(path.read_bytes()).hexdigest()
    if stand_in.version is not None:
        return pinned_as(stand_in.address, stand_in.version)
    digest = sha256()
    with reopen(stand_in.address, stand_in.size, None) as file:
        for block in _blocks(file):
            digest.update(block)
            READS.payload += len(block)
    return digest.hexdigest()


def pinned_as(address: str, version: str) -> str:
    """The pin of a file that was not read: no two files share it, and no address holds a `#`."""
    return f"{address}#{version}"


# --- opening ------------------------------------------------------------------------------


def fetch(request: SourceRequest, files: Iterable[FilePin], pin: str, cache: Path, *, whole: bool) -> Path:
    """The folder of a pinned source in `cache`: small files, and stand-ins of the weights.

    With `whole`, and where nothing but the bytes pins them, the weights are copied. What was fetched once
    stays. Raises `RunError` where a file is not what was pinned.
    """
    from fusec.runtime.durable import leased_folder, sync_folder, sync_tree

    _require_address(request)
    name = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', shown(request.uri))[-80:]}-{pin[:16]}{'-whole' * whole}"
    folder = cache / name
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with leased_folder(cache / f".{name}") as staged:
        if folder.is_dir():  # another process fetched it meanwhile
            return folder
        for _ in _all(list(files), lambda file: _fetch_file(request.uri, file, staged, whole)):
            pass
        sync_tree(staged)
        os.rename(staged, folder)
        sync_folder(cache)
    return folder


def require_same(request: SourceRequest, files: Iterable[FilePin]) -> None:
    """Raises `Changed` when a file is there and is not what was pinned; looks once, and at no payload.

    A server that cannot be reached says nothing, and neither do weights that only their bytes tell apart.
    """
    try:
        # Those that are looked at once come first: they tell whether anybody is there.
        for file in sorted(files, key=lambda file: _version(request.uri, file) is None):
            version = _version(request.uri, file)
            if version is not None:
                with reopen(join(request.uri, file.name), file.size, version, attempts=1) as remote:
                    remote.require_unchanged()
                    remote.read_into(memoryview(bytearray(1)), 0)
            elif not file.name.endswith(WEIGHTS):
                content = _small(request.uri, file.name)
                if content is None or sha256(content).hexdigest() != file.sha256:
                    raise Changed(shown(join(request.uri, file.name)), "its content is another one")
    except Changed:
        raise
    except RunError:
        return


def _fetch_file(uri: str, file: FilePin, folder: Path, whole: bool) -> None:
    address, target = join(uri, file.name), folder / plain(file.name)
    version = _version(uri, file)
    if not file.name.endswith(WEIGHTS):
        content = _small(uri, file.name)
        if content is None or sha256(content).hexdigest() != file.sha256:
            raise Changed(shown(address), "its content is another one" if content else "it is gone")
        target.write_bytes(content)
        return
    with reopen(address, file.size, version) as remote:
        if version is not None and not whole:
            head = bytearray(8)
            remote.read_into(memoryview(head), 0)
            write_stand_in(target, StandIn(address, file.size, version, _header(remote, bytes(head))))
            return
        digest = sha256()
        with target.open("wb") as copy:
            for block in _blocks(remote):
                copy.write(block)
                digest.update(block)
        remote.require_unchanged()
        if version is None and digest.hexdigest() != file.sha256:
            raise Changed(shown(address), "its content is another one")


def _version(uri: str, file: FilePin) -> str | None:
    """The version that a file was pinned by, None where it was pinned by its bytes."""
    start = pinned_as(join(uri, file.name), "")
    return file.sha256.removeprefix(start) if file.sha256 and file.sha256.startswith(start) else None


# --- files ----------------------------------------------------------------------------------


def _names(request: SourceRequest) -> tuple[str, ...]:
    """The small files to ask for: those that are listed, or all that there might be."""
    if remote_scheme(request.uri) not in HTTP:
        from fusec.runtime.ranges.fsspec_file import names_in

        patterns = (*_PATTERNS[request.kind], CARD)
        return tuple(n for n in names_in(request.uri) if any(fnmatchcase(n, p) for p in patterns))
    tokenizer = _TOKENIZER if request.kind != "delta" else ()
    card = (CARD,) if request.kind != "tokenizer" else ()
    index = (INDEX,) if request.kind != "tokenizer" else ()
    return (*_SMALL_OF[request.kind], *tokenizer, *card, *index)


def _weights(request: SourceRequest, small: dict[str, bytes]) -> tuple[str, ...]:
    """The files with weights, by the same preference as that of local folders."""
    if request.kind == "delta" and "adapter_config.json" in small:
        return (ADAPTER,)
    if {"model": "config.json", "delta": "delta.json"}[request.kind] not in small:
        return ()
    if INDEX not in small:
        return (SINGLE,)
    single = _if_shown(request.uri, lambda: open_remote(join(request.uri, SINGLE), 1))
    if single is not None:
        return (SINGLE,)
    try:
        index = msgspec.json.decode(small[INDEX], type=_Index)
    except msgspec.MsgspecError as error:
        address = shown(join(request.uri, INDEX))
        raise Unusable("damaged", f"{address} is not readable: {error}", where=address) from error
    return tuple(sorted({plain(shard) for shard in index.weight_map.values()}))


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def plain(name: str) -> str:
    """A name that leads nowhere but into its folder. RunError for any other."""
    if Path(name).name != name or "\\" in name:
        raise RunError(f"a source names the file {name!r}, which is not a file of its folder")
    return name


def _small(uri: str, name: str) -> bytes | None:
    """A small file, whole; None where there is none."""
    opened = open_remote(join(uri, name), SMALL)
    if opened is None:
        return None
    file, head = opened
    with file:
        if file.size > LIMIT:
            raise RunError(f"{file.name} has {file.size} bytes, and is no configuration or tokenizer")
        rest = bytearray(file.size - len(head))
        file.read_into(memoryview(rest), len(head))
        return head + rest


def _if_shown(uri: str, look: Callable[[], T]) -> T | None:
    """What `look` finds, None where the server says of any name that it may not be seen.

    Object stores that list nothing say so of files that are not there.
    """
    try:
        return look()
    except Forbidden:
        try:
            open_remote(join(uri, _NOBODYS), 1)
        except Forbidden:
            return None
        raise


def _stand_in(uri: str, name: str, into: Path) -> int:
    """Writes the stand-in of a file with weights; returns the size of the file."""
    address = join(uri, name)
    opened = open_remote(address, 8)
    if opened is None:
        raise Unusable("missing", f"{shown(address)} is not there", where=shown(address))
    file, prefix = opened
    with file:
        write_stand_in(into / name, StandIn(address, file.size, file.version, _header(file, prefix)))
        return file.size


def _header(file: RangeFile, prefix: bytes) -> bytes:
    text = bytearray(header_length(prefix, file.size, file.name))
    file.read_into(memoryview(text), 8, "the header")
    return bytes(text)


def _blocks(file: RangeFile) -> Iterator[memoryview]:
    """A file from front to back, the next block coming while one is used."""
    from fusec.runtime.ranges.ahead import SPAN, Ahead, Spaces

    with ThreadPoolExecutor(2) as pool:
        ahead = Ahead(file, pool, Spaces())
        ahead.announce([(0, file.size)])
        for start in range(0, file.size, SPAN):
            block = memoryview(bytearray(min(SPAN, file.size - start)))
            ahead.read_into(block, start)
            yield block


def _all(items: Iterable[T], work: Callable[[T], U]) -> Iterator[tuple[T, U]]:
    """Every item with what `work` gives for it, in order; several are under way at a time."""
    items = list(items)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        yield from zip(items, pool.map(work, items), strict=True)


def _require_address(request: SourceRequest) -> None:
    where, problem = shown(request.uri), problem_of(request.uri)
    if problem:
        raise Unusable("scheme", f"the address of `{where}` {problem}", where=where)
    scheme = remote_scheme(request.uri)
    if scheme not in HTTP:
        from fsspec.registry import known_implementations, registry

        if scheme not in known_implementations.keys() | registry.keys():
            what = f"`{scheme}:` is not a scheme that sources can read"
            raise Unusable("scheme", what, hint="use `https://`, `s3://` or a scheme of fsspec", where=where)

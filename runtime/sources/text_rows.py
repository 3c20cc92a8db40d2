"""Text as rows with the one column `text`.

`document` (a file is a row), `line` (without its line end, empty lines kept) or `paragraph` (runs of lines
between blank lines). `python_strings` takes the string constants of Python source that have at least
`min_chars` characters, in the order of the syntax tree and without f-strings: prose that modules keep.
"""

from __future__ import annotations

import ast
import codecs
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from fusec.runtime.sources.locate import SourceFile
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import CHUNK, READS

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (("text", "Str"),)
MIN_CHARS = 200
ROWS_PER_BATCH = 4096

_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def not_utf8(file: SourceFile, offset: int) -> Unusable:
    return Unusable(
        "damaged",
        f"{file.name} is not UTF-8 text: byte {offset} does not decode",
        hint="convert the file, for instance with `iconv -t UTF-8`",
        where=file.path,
    )


def read_text(file: SourceFile) -> str:
    """The whole file with line ends as `\\n` and no byte order mark."""
    content = file.path.read_bytes()
    READS.payload += len(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(file, error.start) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def utf8_error_offset(file: SourceFile) -> int | None:
    """Where the file stops to be UTF-8; None where it is all text."""
    decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
    with file.path.open("rb") as stream:
        while block := stream.read(CHUNK):
            kept = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return done - kept + error.start
            done += len(block)
        kept = len(decoder.getstate()[0])
    return done - kept if kept else None


def peek(
    files: tuple[SourceFile, ...], options: Mapping[str, Any]
) -> tuple[tuple[tuple[str, str], ...], int | None]:
    whole = options["format"] == "text" and options.get("sample_by", "document") == "document"
    return COLUMNS, len(files) if whole else None


def scan(
    files: tuple[SourceFile, ...], options: Mapping[str, Any]
) -> tuple[tuple[tuple[str, str], ...], int]:
    return COLUMNS, sum(1 for _ in _texts(files, options))


def read(
    files: tuple[SourceFile, ...], options: Mapping[str, Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    texts = _texts(files, options)
    while rows := list(islice(texts, ROWS_PER_BATCH)):
        yield pa.RecordBatch.from_arrays([pa.array(rows, pa.string())], schema=schema)


def _texts(files: tuple[SourceFile, ...], options: Mapping[str, Any]) -> Iterator[str]:
    for file in files:
        text = read_text(file)
        if options["format"] == "python_strings":
            yield from _strings(file, text, int(options.get("min_chars", MIN_CHARS)))
        else:
            yield from _pieces(text, options.get("sample_by", "document"))


def _pieces(text: str, sample_by: str) -> Iterable[str]:
    if sample_by == "line":
        return text.removesuffix("\n").split("\n") if text else ()
    if sample_by == "paragraph":
        return (piece.strip("\n") for piece in _BLANK_LINES.split(text) if piece.strip())
    return (text,)


def _strings(file: SourceFile, text: str, min_chars: int) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise Unusable(
            "damaged", f"{file.name} line {line} is not Python: {error.args[0]}", where=file.path
        ) from None
    yield from (string for string in _constants(tree) if len(string) >= min_chars)


def _constants(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Dict):  # keys and values take turns, as in the source
        for key, value in zip(node.keys, node.values, strict=True):
            for part in (key, value):
                if part is not None:
                    yield from _constants(part)
    elif not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _constants(child)

"""What a tokenizer does to text, read from its files without loading it.

Three layouts are known: `tokenizer.json`, `vocab.json` with `merges.txt`, and `vocab.txt`.
"""

from __future__ import annotations

from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fusec.compiler.facts import TokenizerFacts
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import read_header_file


class _Added(msgspec.Struct):
    id: int
    content: str


class _Model(msgspec.Struct):
    vocab: dict[str, int] | list[tuple[str, float]]
    merges: list[str | tuple[str, str]] = []


class _TokenizerFile(msgspec.Struct):
    model: _Model
    added_tokens: list[_Added] = []
    normalizer: Any = None
    pre_tokenizer: Any = None


class _Read(NamedTuple):
    """A tokenizer's files. `rest` is whatever else changes how text becomes tokens: splitting, scores."""

    rows: dict[str, int]
    merges: list[str]
    added: dict[str, int]
    rest: list[Any]


def tokenizer_facts(folder: Path) -> TokenizerFacts | None:
    """The facts of the tokenizer in `folder`; None where it holds none."""
    read = _read(folder)
    if read is None:
        return None
    core = {token: row for token, row in read.rows.items() if token not in read.added}
    core_digest = _digest([sorted(core.items(), key=itemgetter(1)), read.merges, read.rest])
    extra = tuple(sorted((row, token) for token, row in read.added.items()))
    return TokenizerFacts(
        fingerprint=_digest([core_digest, extra]),
        vocab=max((*read.rows.values(), *read.added.values())) + 1,
        core=core_digest,
        added=extra,
    )


def token_rows(folder: Path) -> dict[str, int] | None:
    """The row of every token, added ones included, by the text that the files hold; None without a tokenizer.

    Raises `Unusable` as `tokenizer_facts` does.
    """
    read = _read(folder)
    return read.rows | read.added if read else None


def _read(folder: Path) -> _Read | None:
    for name, reader in (("tokenizer.json", _fast), ("vocab.json", _byte_pairs), ("vocab.txt", _words)):
        path = folder / name
        if path.is_file():
            try:
                read = reader(path)
                if not read.rows and not read.added:
                    raise ValueError("it has no tokens")
                if min((*read.rows.values(), *read.added.values())) < 0:
                    raise ValueError("it gives a token a number below 0")
                return read
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
                raise Unusable("damaged", f"{path.name} is not a tokenizer: {error}", where=path) from error
    if (folder / "tokenizer.model").is_file():
        raise Unusable(
            "unsupported",
            "the tokenizer is only there as a sentencepiece file, `tokenizer.model`",
            hint="load it with AutoTokenizer and save it: that writes `tokenizer.json`",
            where=folder / "tokenizer.model",
        )
    return None


def _fast(path: Path) -> _Read:
    file = msgspec.json.decode(read_header_file(path), type=_TokenizerFile)
    vocab = file.model.vocab
    rows = vocab if isinstance(vocab, dict) else {token: row for row, (token, _) in enumerate(vocab)}
    scores = [] if isinstance(vocab, dict) else [score for _, score in vocab]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in file.model.merges]
    added = {token.content: token.id for token in file.added_tokens}
    return _Read(rows, merges, added, [file.normalizer, file.pre_tokenizer, scores])


def _byte_pairs(path: Path) -> _Read:
    rows = msgspec.json.decode(read_header_file(path), type=dict[str, int])
    merges_file, added_file = path.parent / "merges.txt", path.parent / "added_tokens.json"
    merges = read_header_file(merges_file).decode().splitlines() if merges_file.is_file() else []
    added: dict[str, int] = {}
    if added_file.is_file():
        added = msgspec.json.decode(read_header_file(added_file), type=dict[str, int])
    return _Read(rows, [line for line in merges if not line.startswith("#version")], added, [])


def _words(path: Path) -> _Read:
    tokens = read_header_file(path).decode().splitlines()
    return _Read({token: row for row, token in enumerate(tokens)}, [], {}, [])


def _digest(value: Any) -> str:
    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()

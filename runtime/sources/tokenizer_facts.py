"""What a tokenizer does to text, read from its files without loading it.

Three layouts are known: `tokenizer.json`, `vocab.json` with `merges.txt`, and `vocab.txt`.
"""

from __future__ import annotations

from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

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


def tokenizer_facts(folder: Path) -> TokenizerFacts | None:
    """The facts of the tokenizer in `folder`; None where it holds none."""
    for name, read in (("tokenizer.json", _fast), ("vocab.json", _byte_pairs), ("vocab.txt", _words)):
        path = folder / name
        if path.is_file():
            try:
                return read(path)
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


def _fast(path: Path) -> TokenizerFacts:
    file = msgspec.json.decode(read_header_file(path), type=_TokenizerFile)
    vocab = file.model.vocab
    rows = vocab if isinstance(vocab, dict) else {token: row for row, (token, _) in enumerate(vocab)}
    scores = [] if isinstance(vocab, dict) else [score for _, score in vocab]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in file.model.merges]
    added = {token.content: token.id for token in file.added_tokens}
    return _facts(rows, merges, added, [file.normalizer, file.pre_tokenizer, scores])


def _byte_pairs(path: Path) -> TokenizerFacts:
    rows = msgspec.json.decode(read_header_file(path), type=dict[str, int])
    merges_file, added_file = path.parent / "merges.txt", path.parent / "added_tokens.json"
    merges = read_header_file(merges_file).decode().splitlines() if merges_file.is_file() else []
    added: dict[str, int] = {}
    if added_file.is_file():
        added = msgspec.json.decode(read_header_file(added_file), type=dict[str, int])
    return _facts(rows, [line for line in merges if not line.startswith("#version")], added, [])


def _words(path: Path) -> TokenizerFacts:
    tokens = read_header_file(path).decode().splitlines()
    return _facts({token: row for row, token in enumerate(tokens)}, [], {}, [])


def _facts(rows: dict[str, int], merges: list[str], added: dict[str, int], rest: list[Any]) -> TokenizerFacts:
    """`rest` is whatever else changes how text becomes tokens: normalisation, splitting, scores."""
    everything = rows | added
    if not everything:
        raise ValueError("it has no tokens")
    core = {token: row for token, row in rows.items() if token not in added}
    core_digest = _digest([sorted(core.items(), key=itemgetter(1)), merges, rest])
    extra = tuple(sorted((row, token) for token, row in added.items()))
    return TokenizerFacts(
        fingerprint=_digest([core_digest, extra]),
        vocab=max(everything.values()) + 1,
        core=core_digest,
        added=extra,
    )


def _digest(value: Any) -> str:
    return sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()

"""A `tokenizer.json`, checked as far as uniting needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from fusec.runtime.kernel import RunError

KINDS = ("BPE", "WordPiece", "Unigram", "WordLevel")
Pair = tuple[str, str]

_DAMAGED = "load the tokenizer with AutoTokenizer where it works and save it: that writes `tokenizer.json`"


class _Added(msgspec.Struct):
    id: int
    content: str


class _Model(msgspec.Struct):
    vocab: dict[str, int] | list[tuple[str, float]]
    type: str | None = None
    merges: list[str | tuple[str, str]] = []


class _File(msgspec.Struct):
    model: _Model
    added_tokens: list[_Added] = []


@dataclass(frozen=True)
class TokenizerFile:
    """`data` is the file as it stands; `rows` numbers the tokens of its model, `added` are its added tokens
    in order of their numbers, `scores` are those of a Unigram model and `merges` those of a BPE model."""

    path: Path
    data: Mapping[str, Any]
    kind: str
    rows: Mapping[str, int]
    scores: Mapping[str, float]
    merges: tuple[Pair, ...]
    added: tuple[Mapping[str, Any], ...]

    @cached_property
    def all_rows(self) -> dict[str, int]:
        """The number of every token, added ones included."""
        return {**self.rows, **{token["content"]: token["id"] for token in self.added}}

    @property
    def model(self) -> Mapping[str, Any]:
        model: Mapping[str, Any] = self.data["model"]
        return model


def read_tokenizer_file(folder: Path) -> TokenizerFile:
    """The `tokenizer.json` in `folder`. RunError naming it where it is missing or damaged."""
    path = folder / "tokenizer.json"
    try:
        data = msgspec.json.decode(path.read_bytes())
        known = msgspec.convert(data, _File)
    except FileNotFoundError:
        raise RunError(f"{path} is missing, and tokens are united from such files", hint=_DAMAGED) from None
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise RunError(f"{path} is not a tokenizer: {error}", hint=_DAMAGED) from error
    kind = known.model.type or ("Unigram" if isinstance(known.model.vocab, list) else "BPE")
    if kind not in KINDS:
        raise RunError(f"{path} is of the unknown kind {kind!r}", hint=f"known are {', '.join(KINDS)}")
    if isinstance(known.model.vocab, list):
        rows = {token: row for row, (token, _) in enumerate(known.model.vocab)}
        scores = dict(known.model.vocab)
    else:
        rows, scores = known.model.vocab, {}
    if not rows and not known.added_tokens:
        raise RunError(f"{path} has no tokens", hint=_DAMAGED)
    added = sorted(data.get("added_tokens", []), key=lambda token: token["id"])
    merges = tuple(_pair(merge, path) for merge in known.model.merges)
    return TokenizerFile(path, data, kind, rows, scores, merges, tuple(added))


def _pair(merge: str | Pair, path: Path) -> Pair:
    """The two parts of a merge; older files write them as one text."""
    if not isinstance(merge, str):
        return merge
    left, space, right = merge.partition(" ")
    if not space or " " in right:
        raise RunError(f"{path} has the merge {merge!r}, which is not two tokens", hint=_DAMAGED)
    return left, right

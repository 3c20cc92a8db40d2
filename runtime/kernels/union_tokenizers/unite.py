"""What the union of tokenizers holds, and when there is a sound one.

Sound means that every text comes back from its tokens. The first tokenizer decides how text is cut and how
tokens are put together again, so the others must write the same text in the same symbols: a byte-level BPE
and one with `▁` for spaces have no union. Numbers of the first never change.

Not promised is that texts keep their tokens. Merges of the first are tried first, those of the others
behind them: a text becomes what the first makes of it, with its pieces joined further where another
tokenizer has a longer token for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.union_tokenizers.tokenizer_file import Pair, TokenizerFile

Notes = tuple[tuple[str, Mapping[str, Any]], ...]

SYMBOLS = ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")
"""Settings of a model that say in which symbols a token's text is written."""


@dataclass(frozen=True)
class United:
    """`rows` numbers every token. `added`, `merges` and `scores` are what the first tokenizer lacks.

    `learned` are tokens that came with merges of their own, in order of their numbers.
    """

    rows: Mapping[str, int]
    added: tuple[Mapping[str, Any], ...]
    merges: tuple[Pair, ...]
    scores: Mapping[str, float]
    learned: tuple[str, ...]
    notes: Notes
    first: TokenizerFile

    def with_merges(self, more: Sequence[Pair]) -> United:
        return replace(self, merges=(*self.merges, *more))

    def file(self, first: TokenizerFile) -> dict[str, Any]:
        """The content of the union's `tokenizer.json`.

        Added tokens stand in the vocabulary too: the library would number them anew otherwise.
        """
        ordered = sorted(self.rows.items(), key=lambda item: item[1])
        vocab: Any = dict(ordered)
        if first.kind == "Unigram":
            vocab = [[token, self.scores.get(token, first.scores.get(token, 0.0))] for token, _ in ordered]
        model = {**first.model, "vocab": vocab}
        if first.kind == "BPE":
            model["merges"] = [list(pair) for pair in (*first.merges, *self.merges)]
        return {**first.data, "added_tokens": [*first.added, *self.added], "model": model}


def unite(files: Sequence[TokenizerFile]) -> United:
    """The union: tokens of the first, unseen ones of the others in order, then unseen added tokens.

    RunError naming two files where there is no sound union.
    """
    first, others = files[0], files[1:]
    for other in others:
        _require_alike(first, other)
    rows = dict(first.all_rows)
    definitions = {token["content"]: token for token in first.added}
    following = max(rows.values()) + 1
    scores: dict[str, float] = {}
    for other in others:
        extra = {token["content"] for token in other.added}
        for token in sorted(other.rows, key=other.rows.__getitem__):
            if token not in rows and token not in extra:
                rows[token], following = following, following + 1
                scores |= {token: other.scores[token]} if token in other.scores else {}
    added: list[Mapping[str, Any]] = []
    notes = [*_splitting(first, others)]
    for other in others:
        for definition in other.added:
            text = definition["content"]
            if text in definitions:
                if _flags(definition) != _flags(definitions[text]):
                    notes.append(("token_conflict", {"token": text, "ignored": str(other.path)}))
                continue
            if text not in rows:
                rows[text], following = following, following + 1
            definitions[text] = definition
            added.append({**definition, "id": rows[text]})
    if first.kind == "Unigram":
        _require_no_holes(first, rows)
    merges = _unseen_merges(first, others)
    products = {left + right for left, right in merges}
    learned = tuple(token for token in list(rows)[len(first.all_rows) :] if token in products)
    return United(rows, tuple(added), merges, scores, learned, tuple(notes), first)


def _unseen_merges(first: TokenizerFile, others: Sequence[TokenizerFile]) -> tuple[Pair, ...]:
    known = set(first.merges)
    found = dict.fromkeys(pair for other in others for pair in other.merges if pair not in known)
    return tuple(found)


def _require_alike(first: TokenizerFile, other: TokenizerFile) -> None:
    hint = "unite tokenizers of one family, or transplant to one of them as it is"
    if first.kind != other.kind:
        what = f"{first.path} is a {first.kind} tokenizer and {other.path} a {other.kind} one"
        raise RunError(f"{what}: they have no union", hint=hint)
    for name in SYMBOLS:
        a, b = first.model.get(name) or None, other.model.get(name) or None
        if a != b:
            what = f"`{name}` is {a!r} in {first.path} and {b!r} in {other.path}"
            raise RunError(f"{what}, so the same token stands for different text", hint=hint)
    if _spelling(first) != _spelling(other):
        what = f"{first.path} and {other.path} turn tokens into text in different ways"
        raise RunError(f"{what}, so the same token stands for different text", hint=hint)


def _spelling(file: TokenizerFile) -> set[tuple[str, ...]]:
    """In which symbols tokens are written, as the decoder reads them."""
    return set(_symbols(file.data.get("decoder")))


def _symbols(decoder: Any) -> Iterator[tuple[str, ...]]:
    match decoder:
        case {"type": "Sequence", "decoders": parts}:
            for part in parts:
                yield from _symbols(part)
        case {"type": "Replace", "pattern": {"String": mark}, "content": text}:
            yield "mark", mark, text
        case {"type": "Metaspace", "replacement": mark}:
            yield "mark", mark, " "
        case {"type": "WordPiece", "prefix": mark} | {"type": "BPEDecoder", "suffix": mark}:
            yield decoder["type"], mark
        case {"type": "Fuse" | "Strip"}:
            return
        case {"type": kind}:
            yield (kind,)


def _splitting(
    first: TokenizerFile, others: Sequence[TokenizerFile]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for other in others:
        differ = [n for n in ("normalizer", "pre_tokenizer") if first.data.get(n) != other.data.get(n)]
        if differ:
            yield "splitting_differs", {"parts": differ, "used": str(first.path), "ignored": str(other.path)}


def _flags(token: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in token.items() if name not in ("id", "content")}


def _require_no_holes(first: TokenizerFile, rows: Mapping[str, int]) -> None:
    taken = set(rows.values())
    hole = next((number for number in range(len(rows)) if number not in taken), None)
    if hole is not None:
        what = f"{first.path} has no token number {hole}, and a Unigram tokenizer cannot leave numbers out"
        raise RunError(what, hint="load it with AutoTokenizer, save it and use what was saved")

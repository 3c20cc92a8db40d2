"""Rows to labelled tokens: one encoding for training and evaluation, so that losses compare.

Three layouts, recognised by column: `messages` (a list of {role, content}, written by the tokenizer's
chat template, assistant turns count), `prompt` + `response` (the response counts), `text` (all counts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np
from jinja2.exceptions import TemplateError
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.kernels.train import rows

IGNORED = -100  # label of a token that is read but neither learned nor scored

Tokens = NDArray[np.int32]
Piece = tuple[str, bool]  # text, and whether its tokens count


@dataclass(frozen=True)
class Encoded:
    """One row as tokens. `labels` is `ids` with IGNORED where a token does not count; both int32 [n]."""

    row: int
    ids: Tokens
    labels: Tokens


Layout = Literal["messages", "pair", "text"]


def layout(data: Artifact) -> Layout:
    """How the rows are read, by the names of the columns. Raises RunError when nothing fits."""
    have = rows.columns(data)
    if "messages" in have:
        return "messages"
    if {"prompt", "response"} <= set(have):
        return "pair"
    if "text" in have:
        return "text"
    raise RunError(
        "the data has neither `messages`, nor `prompt` and `response`, nor `text`",
        hint=f"its columns are {', '.join(have)}; rename them with `select`",
    )


def encode(data: Artifact, tokenizer: PreTrainedTokenizerBase, layout: Layout) -> Iterator[Encoded]:
    """Every row in order. Text and responses end with the end-of-sequence token, which counts.

    The beginning-of-sequence token comes first where the tokenizer adds one. Prompt and response are
    tokenized apart, so no token straddles them. Both, and text, are taken as written: a special token in them
    is one. In the turns of a conversation it would pass for structure, so there it is refused. Raises
    RunError naming the row.
    """
    chat = layout == "messages"
    eos = tokenizer.eos_token_id
    if eos is None and not chat:
        raise RunError("the tokenizer has no end-of-sequence token", hint="set eos_token in its config")
    # A chat template writes its own special tokens.
    before = [] if chat else [t for t in tokenizer("")["input_ids"] if t == tokenizer.bos_token_id]
    after = [] if chat else [eos]

    for first, batch in _pieces(data, tokenizer, layout):
        texts = [text for pieces in batch for text, _ in pieces]
        tokens = tokenizer(texts, add_special_tokens=False)["input_ids"]
        ends = list(accumulate(len(pieces) for pieces in batch))
        for n, (pieces, end) in enumerate(zip(batch, ends, strict=True)):
            ids, labels = list(before), [IGNORED] * len(before)
            for (_, counts), part in zip(pieces, tokens[end - len(pieces) : end], strict=True):
                ids += part
                labels += part if counts else [IGNORED] * len(part)
            yield Encoded(first + n, np.array(ids + after, np.int32), np.array(labels + after, np.int32))


def _pieces(
    data: Artifact, tokenizer: PreTrainedTokenizerBase, layout: Layout
) -> Iterator[tuple[int, list[list[Piece]]]]:
    if layout == "messages":
        special = re.compile("|".join(map(re.escape, _special_tokens(tokenizer))) or r"(?!)")
        for first, batch in rows.read(data, ["messages"]):
            for row, (turns,) in enumerate(batch, first):
                _require_turns(turns, special, row)
            yield first, [_turns(tokenizer, turns, first + n) for n, (turns,) in enumerate(batch)]
    elif layout == "pair":
        prompts, responses = rows.read_text(data, "prompt"), rows.read_text(data, "response")
        for (first, some), (_, others) in zip(prompts, responses, strict=True):
            yield first, [[(p, False), (r, True)] for p, r in zip(some, others, strict=True)]
    else:
        for first, texts in rows.read_text(data, "text"):
            yield first, [[(text, True)] for text in texts]


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Longest first, so that a message names the whole token."""
    found = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted(found, key=lambda token: (-len(token), token))


def _require_turns(turns: Any, special: re.Pattern[str], row: int) -> None:
    if not isinstance(turns, list):
        raise RunError(
            f"row {row} has {type(turns).__name__} in column `messages`, not a list of turns",
            hint="a turn is {role, content}; plain text belongs in a column `text`",
        )
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
            raise RunError(f"turn {number} of row {row} has no `role`", hint="a turn is {role, content}")
        content = turn.get("content")
        if content is None and turn.get("tool_calls"):
            continue
        if not isinstance(content, str):
            raise RunError(f"turn {number} of row {row} has no text as `content`", hint="take the row out")
        if found := special.search(content):
            raise RunError(
                f"turn {number} of row {row} contains `{found[0]}`, a special token of the tokenizer, which "
                "would be read as structure of the conversation",
                hint="take the row out, or write the token in another way",
            )


def _turns(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, Any]], row: int) -> list[Piece]:
    """The conversation cut at its assistant turns; what follows the last of them is left out."""

    def written(upto: int, ask: bool) -> str:
        try:
            text = tokenizer.apply_chat_template(turns[:upto], tokenize=False, add_generation_prompt=ask)
        except (ValueError, TemplateError, TypeError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"the chat template of the tokenizer refuses row {row}: {reason}") from error
        assert isinstance(text, str)
        return text

    pieces: list[Piece] = []
    done = ""
    for n, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        if n == 0:
            raise RunError(
                f"row {row} begins with its answer, a turn of role `assistant`",
                hint="put a system or user turn before it",
            )
        asked, answered = written(n, True), written(n + 1, False)
        if not (asked.startswith(done) and answered.startswith(asked)):
            raise RunError(
                f"the chat template of the tokenizer rewrites earlier turns of row {row}, so its answers "
                "cannot be told from its prompts",
                hint="use prompt and response columns, or a template that only appends",
            )
        pieces += [(asked[len(done) :], False), (answered[len(asked) :], True)]
        done = answered
    if not pieces:
        raise RunError(f"row {row} has no turn of role `assistant`", hint="filter such rows out first")
    return pieces

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.source import Source
from fusec.lang.wording import an, code, first_slot, is_slip, listing, respell

WORDS = st.text(alphabet="abc", max_size=4)


def one_slip_away(word: str) -> set[str]:
    """All words that one slip makes of `word`: the slow reference."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in cuts if b),
        *(a + letter + b for a, b in cuts for letter in string.ascii_lowercase),
        *(a + letter + b[1:] for a, b in cuts if b for letter in string.ascii_lowercase),
        *(a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1),
    } - {word}


@given(WORDS, WORDS)
def test_a_slip_is_one_letter_or_one_swap(word: str, meant: str) -> None:
    assert is_slip(word, meant) == (meant in one_slip_away(word))


def test_words_get_backticks_and_kinds_an_article() -> None:
    assert [code("merge"), code("the base"), code("`x`")] == ["`merge`", "the base", "`x`"]
    assert [an("Size"), an("Int"), an("Data"), an("a Size")] == ["a Size", "an Int", "Data", "a Size"]


def test_long_lists_are_cut() -> None:
    assert listing(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert listing(["a", "b"], most=2) == "a, b"


def test_a_word_that_is_not_in_the_marked_text_is_not_edited() -> None:
    source = Source("a.fuse", "[mathe]")
    assert respell(source.span(1, 6), "mathe", "math").edits[0].text == "math"
    assert respell(source.span(0, 1), "mathe", "math").edits == ()


def test_the_first_slot_of_an_empty_block_takes_no_comma() -> None:
    source = Source("a.fuse", "shuffle { }")
    assert first_slot(source.span(0, 7), "seed: 17").text == " seed: 17"

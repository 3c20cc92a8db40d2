"""train_tokenizer: exact size, any text, one result however the rows are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from fusec.runtime.kernel import RunError


@pytest.fixture(scope="module")
def loaded(tokenizer):
    return AutoTokenizer.from_pretrained(tokenizer.path)


def files(artifact):
    return {path.name: path.read_bytes() for path in artifact.path.iterdir()}


def test_it_has_exactly_the_tokens_asked_for(loaded):
    assert len(loaded) == 300


def test_special_tokens_stand_where_llama_has_them(loaded):
    assert (loaded.unk_token_id, loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id) == (
        0,
        1,
        2,
        3,
    )
    assert loaded("river")["input_ids"][0] == 1


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_comes_back(loaded, text):
    ids = loaded(text, add_special_tokens=False)["input_ids"]
    assert 0 not in ids
    # A text may spell a special token out; those are kept as well.
    assert loaded.decode(ids) == text


def test_a_conversation_is_written_turn_by_turn(loaded):
    turns = [{"role": "user", "content": "Area?"}, {"role": "assistant", "content": "width * height"}]
    assert loaded.apply_chat_template(turns, tokenize=False) == (
        "<s><|user|>\nArea?</s>\n<|assistant|>\nwidth * height</s>\n"
    )
    asked = loaded.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    assert asked == "<s><|user|>\nArea?</s>\n<|assistant|>\n"


def test_cuts_between_rows_and_parts_do_not_matter(execute, data, sentences, tokenizer):
    small = data(text=sentences[:20], rows_per_batch=3)
    rest = data(text=sentences[20:])
    again = execute("train_tokenizer", {"data": (("", small), ("", rest))}, vocab=300, column="text").artifact
    assert files(again) == files(tokenizer)


@pytest.mark.parametrize(
    ("columns", "slots", "says"),
    [
        ({"text": [""]}, {}, "holds no text"),
        ({"text": ["ab", None]}, {}, "row 2 has no value in column `text`"),
        ({"text": ["ab"]}, {}, "too small for a vocabulary of 300"),
        ({"text": ["ab"]}, {"vocab": 200}, "vocab is 200"),
        ({"body": ["ab"]}, {}, "no column `text`"),
        ({"text": [1, 2]}, {}, "row 1 has int in column `text`"),
    ],
)
def test_data_that_cannot_work_is_one_sentence(execute, data, columns, slots, says):
    with pytest.raises(RunError, match=says):
        execute(
            "train_tokenizer", {"data": (("", data(**columns)),)}, **{"vocab": 300, "column": "text"} | slots
        )

"""The union of tokenizers: numbers of the first, every text back, every token of the others within reach."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer

from fusec.runtime.kernel import RunError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40) | st.lists(
    st.sampled_from([" the", " harbour", "area(", "width", "    return", "<|user|>", "ü", " "]), max_size=12
).map("".join)


@pytest.fixture(scope="module")
def folders(make, tmp_path_factory):
    """`prose` and `code` of other merges; `code` has a chat marker that `prose` lacks."""
    root = tmp_path_factory.mktemp("tokenizers")
    prose, code = make.byte_level(make.PROSE, 300), make.byte_level(make.CODE, 290)
    code.add_special_tokens([AddedToken("<|user|>", special=True)])
    roles = {"bos_token": "<s>", "eos_token": "</s>"}
    make.save_tokenizer(prose, root / "prose", **roles)
    make.save_tokenizer(code, root / "code", **roles, chat_template=make.CHAT_TEMPLATE)
    return root


@pytest.fixture(scope="module")
def both(union, folders):
    return union(folders / "prose", folders / "code").tokenizer


def vocabulary(folder):
    return Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab(with_added_tokens=True)


def test_the_first_keeps_its_numbers_and_unseen_tokens_follow_in_order(both, folders):
    first, second = vocabulary(folders / "prose"), vocabulary(folders / "code")
    both = both.get_vocab(with_added_tokens=True)
    assert {token: both[token] for token in first} == first
    unseen = sorted(second.keys() - first, key=second.__getitem__)
    assert unseen[-1] == "<|user|>"
    assert [both[token] for token in unseen] == list(range(len(first), len(first) + len(unseen)))
    assert both.keys() == first.keys() | second.keys()


@given(text=TEXTS)
def test_every_text_comes_back(both, text):
    encoded = both.encode(text, add_special_tokens=False)
    assert both.decode(encoded.ids, skip_special_tokens=False) == text


def test_every_token_that_a_text_led_to_still_has_one(union, folders):
    both = union(folders / "prose", folders / "code")
    for name in ("prose", "code"):
        own = Tokenizer.from_file(str(folders / name / "tokenizer.json"))
        for token in own.get_vocab(with_added_tokens=False):
            if [part.value for part in own.model.tokenize(token)] == [token]:
                assert [part.value for part in both.tokenizer.model.tokenize(token)] == [token]
    assert "tokens_out_of_reach" not in dict(both.events)


def test_a_token_that_the_merges_of_the_first_cut_gets_a_merge(union, make, tmp_path):
    """The first joins `ab`; the second makes `abc` of `a` and `bc`, which then is never tried."""
    first, second = make.byte_level([], 258), make.byte_level([], 258)
    for name, tokenizer, tokens, merges in (
        ("first", first, ["ab"], ["a b"]),
        ("second", second, ["bc", "abc"], ["b c", "a bc"]),
    ):
        state = json.loads(tokenizer.to_str())
        state["model"]["vocab"] |= {token: 258 + n for n, token in enumerate(tokens)}
        state["model"]["merges"] = merges
        make.save_tokenizer(Tokenizer.from_str(json.dumps(state)), tmp_path / name)
    both = union(tmp_path / "first", tmp_path / "second").tokenizer
    assert both.encode("abc").tokens == ["abc"]
    assert both.encode("ab").tokens == ["ab"]


def test_one_tokenizer_is_its_own_union_byte_for_byte(union, folders):
    same = union(folders / "code", folders / "code")
    assert (same.path / "tokenizer.json").read_bytes() == (folders / "code" / "tokenizer.json").read_bytes()


def test_transformers_loads_it_with_roles_and_template_of_the_first(union, folders, make):
    loaded = AutoTokenizer.from_pretrained(union(folders / "prose", folders / "code").path)
    assert (loaded.bos_token, loaded.eos_token, loaded.chat_template) == ("<s>", "</s>", None)
    marker = loaded.convert_tokens_to_ids("<|user|>")
    assert loaded("<|user|>", add_special_tokens=False)["input_ids"] == [marker]
    chosen = union(folders / "prose", folders / "code", chat_template=folders / "code")
    assert AutoTokenizer.from_pretrained(chosen.path).chat_template == make.CHAT_TEMPLATE


def test_of_two_definitions_of_an_added_token_the_first_counts_and_is_told(union, folders, make, tmp_path):
    other = make.byte_level(make.CODE, 290)
    other.add_tokens([AddedToken("<|user|>", lstrip=True)])
    make.save_tokenizer(other, tmp_path / "other")
    both = union(folders / "code", tmp_path / "other")
    assert [fields["token"] for kind, fields in both.events if kind == "token_conflict"] == ["<|user|>"]
    added = json.loads((both.path / "tokenizer.json").read_text())["added_tokens"]
    assert [token["lstrip"] for token in added if token["content"] == "<|user|>"] == [False]


@pytest.mark.parametrize("kind", ["word_piece", "unigram", "sentence_piece"])
def test_other_kinds_unite_too(union, make, tmp_path, kind):
    for name, texts in (("prose", make.PROSE), ("code", make.CODE)):
        make.save_tokenizer(getattr(make, kind)(texts, 140), tmp_path / name)
    both = union(tmp_path / "prose", tmp_path / "code").tokenizer
    first, second = vocabulary(tmp_path / "prose"), vocabulary(tmp_path / "code")
    assert both.get_vocab(with_added_tokens=True).keys() == first.keys() | second.keys()
    for text in ("the river runs", "return width * height"):
        assert both.decode(both.encode(text).ids).replace(" ", "") == text.replace(" ", "")
    assert len(both.encode("width height").ids) <= 3


def test_the_hash_seed_has_no_part_in_it(folders, tmp_path):
    script = """
import sys
from pathlib import Path
from fusec.runtime.kernel import Artifact, Context, Meter
from fusec.runtime.kernels.union_tokenizers import run
out = Path(sys.argv[1]); out.mkdir()
of = tuple(("", Artifact("tokenizer", Path(f), f)) for f in sys.argv[2:])
run({"of": of}, {}, Context(out=out, emit=lambda kind, **fields: None, meter=Meter()))
"""
    results = set()
    for seed in ("1", "2"):
        out = tmp_path / f"seed-{seed}"
        of = [str(folders / name) for name in ("prose", "code")]
        subprocess.run(
            [sys.executable, "-c", script, str(out), *of], check=True, env={"PYTHONHASHSEED": seed}
        )
        results.add(tuple((path.name, path.read_bytes()) for path in sorted(out.iterdir())))
    assert len(results) == 1


# --- no sound union -----------------------------------------------------------------------


def test_two_kinds_have_no_union(union, folders, make, tmp_path):
    make.save_tokenizer(make.word_piece(make.PROSE, 140), tmp_path / "words")
    with pytest.raises(RunError, match=r"is a BPE tokenizer and .*words.* a WordPiece one"):
        union(folders / "prose", tmp_path / "words")


def test_symbols_of_another_alphabet_have_no_union(union, folders, make, tmp_path):
    state = json.loads((folders / "prose" / "tokenizer.json").read_text())
    state["decoder"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    (tmp_path / "metaspace").mkdir()
    (tmp_path / "metaspace" / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="turn tokens into text in different ways"):
        union(folders / "prose", tmp_path / "metaspace")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "tokenizer.json is missing"),
        ("{", "is not a tokenizer"),
        ('{"model": {"type": "Odd", "vocab": {"a": 0}}}', "unknown kind 'Odd'"),
        ('{"model": {"type": "BPE", "vocab": {}}}', "has no tokens"),
        ('{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}', "merge 'a', which is not two"),
        ('{"model": {"type": "BPE", "vocab": {"zz": 0}, "merges": ["x y"]}}', "does not load"),
    ],
)
def test_a_damaged_file_is_one_clear_error(union, folders, tmp_path, content, says):
    (tmp_path / "bad").mkdir()
    if content is not None:
        data = json.loads(content) if content != "{" else None
        if data:
            data["decoder"] = {"type": "ByteLevel"}
        (tmp_path / "bad" / "tokenizer.json").write_text(json.dumps(data) if data else content)
    with pytest.raises(RunError, match=says):
        union(folders / "prose", tmp_path / "bad")

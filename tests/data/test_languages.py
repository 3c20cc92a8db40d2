"""`language(x)`: which codes come out, that the model's version is in the identity, and what is refused."""

import importlib.metadata

import pyarrow as pa
import pytest
from world import planned

from fusec.compiler import rows as row_reader
from fusec.compiler.rowexpr import LANGUAGE_MODEL, Col, Op
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.data.languages import _identifier
from fusec.runtime.kernels.data.rows import Rows, evaluate

SPEC = """edition 2026

data kept from "fixture:text"
  |> filter { keep: language(.text) == "en" }

output kept to "./out/kept"
"""


def codes(texts, model=LANGUAGE_MODEL):
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    return evaluate(Op("language", (Col("text"), model)), Rows(batch)).to_pylist()


def test_common_languages_are_told_apart() -> None:
    said = {
        "en": "The quick brown fox jumps over the lazy dog and runs away.",
        "de": "Der Übersetzer prüft, ob alle Gewichte zueinander passen.",
        "fr": "Le compilateur vérifie que tous les poids vont ensemble.",
        "zh": "编译器检查所有权重是否匹配。",
        "ru": "Компилятор проверяет, подходят ли веса друг к другу.",
    }
    assert codes(list(said.values())) == list(said)


def test_a_text_without_words_has_no_language() -> None:
    assert codes(["", "hi", "12345"]) == ["und", "und", "zxx"]  # undetermined; no words at all


def test_a_missing_text_names_its_row() -> None:
    with pytest.raises(RunError, match=r"row 2 has no value in `\.text`"):
        codes(["a text", None])


def test_another_version_is_another_result(monkeypatch) -> None:
    _, one = planned(SPEC)
    monkeypatch.setattr(row_reader, "LANGUAGE_MODEL", "py3langid 9.9.9")
    _, two = planned(SPEC)
    assert LANGUAGE_MODEL in one.ir and one.ir != two.ir
    assert [a.id == b.id for a, b in zip(one.tasks, two.tasks, strict=True)] == [True, False]


def test_the_package_must_be_there_in_that_version(monkeypatch) -> None:
    _identifier.cache_clear()
    with pytest.raises(RunError, match=r"FUSE407: the plan wants `language` of py3langid 0\.0\.1"):
        codes(["a text"], "py3langid 0.0.1")
    monkeypatch.setattr(importlib.metadata, "distribution", _gone)
    with pytest.raises(RunError, match="is not installed") as refused:
        codes(["a text"])
    assert "fusec[language]" in refused.value.hint
    _identifier.cache_clear()


def _gone(name):
    raise importlib.metadata.PackageNotFoundError(name)

"""Model and tokenizer sources by their headers, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusec.compiler.facts import (
    ModelFacts,
    SourceProblem,
    SourceRequest,
    TensorFact,
    TokenizerSourceFacts,
    compare_tokenizers,
    space_fingerprint,
)
from fusec.runtime.kernel import RunError
from fusec.runtime.sources import READS, file_sha256, inspect, open_model, open_tokenizer, pin

MakeModel = Callable[..., Path]
HERE = Path()


def ask(folder: Path | str, kind: Any = "model") -> SourceRequest:
    return SourceRequest(kind, str(folder))


def facts_of(folder: Path) -> ModelFacts:
    facts = inspect(ask(folder), base=HERE)
    assert isinstance(facts, ModelFacts), facts
    return facts


def problem_of(folder: Path | str, kind: Any = "model") -> SourceProblem:
    problem = inspect(ask(folder, kind), base=HERE)
    assert isinstance(problem, SourceProblem), problem
    return problem


def test_facts_of_a_model(model: MakeModel) -> None:
    folder = model("m", rows=4, width=8)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: acme/base\n---\n# M\n")
    facts = facts_of(folder)
    assert (facts.architecture, facts.dtype, facts.vocab, facts.tied) == (
        "LlamaForCausalLM",
        "bf16",
        4,
        False,
    )
    assert (facts.params, facts.bytes) == (72, 160)
    assert (facts.licence, facts.root_hint) == ("apache-2.0", "acme/base")
    assert facts.tensors[-1] == TensorFact("model.norm.weight", "fp32", (8,))
    assert {file.name for file in facts.files} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert facts.tokenizer and facts.tokenizer.vocab == 4


def test_a_tied_head_counts_once(model: MakeModel) -> None:
    tied, untied = facts_of(model("t", tie_word_embeddings=True)), facts_of(model("u"))
    assert (tied.params, untied.params) == (40, 72)
    without_head = [tensor for tensor in tied.tensors if tensor.name != "lm_head.weight"]
    assert space_fingerprint(tied.tensors, tied=True) == space_fingerprint(without_head, tied=True)
    assert space_fingerprint(untied.tensors) != space_fingerprint(without_head)


def test_a_space_knows_names_and_shapes_only() -> None:
    a, b = TensorFact("a", "bf16", (2, 3)), TensorFact("b", "fp32", (3,))
    assert space_fingerprint([a, b]) == space_fingerprint([b, TensorFact("a", "fp32", (2, 3))])
    assert space_fingerprint([a, b]) != space_fingerprint([b, TensorFact("a", "bf16", (3, 2))])


def test_inspection_reads_no_tensor(model: MakeModel) -> None:
    """As the kernel of the operating system counts it: 4 GB of weights, less than 100 kB read."""
    folder = model("big", rows=250_000, width=4096)
    facts_of(folder)  # what Python itself loads on the way is read now
    before, counted = _read_by_process(), READS.payload
    assert facts_of(folder).bytes > 4_000_000_000
    assert _read_by_process() - before < 100_000
    assert READS.payload == counted


def _read_by_process() -> int:
    if not Path("/proc/self/io").exists():
        pytest.skip("only Linux counts the bytes that a process reads")
    return int(Path("/proc/self/io").read_text().split()[1])


def test_inspection_imports_nothing_heavy(model: MakeModel, desk: Any) -> None:
    desk.write("a.jsonl", '{"a": 1}\n')
    desk.write("a.csv", "a\n1\n")
    program = f"""
import sys
from pathlib import Path
from fusec.compiler.facts import SourceProblem, SourceRequest
from fusec.runtime.sources import inspect
for uri in ({str(model("m"))!r}, "a.jsonl", "a.csv", "pkg:stdlib/*.py"):
    request = SourceRequest("model" if uri.startswith("/") else "data", uri)
    found = inspect(request, base=Path({str(desk.base)!r}))
    assert not isinstance(found, SourceProblem), found
heavy = {{"pyarrow", "numpy", "torch", "transformers", "datasets", "tokenizers", "huggingface_hub"}}
print(sorted(heavy & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


# --- what is refused ---------------------------------------------------------------------


def test_a_missing_folder_says_what_is_there(model: MakeModel) -> None:
    folder = model("mathe")
    problem = problem_of(folder.parent / "math")
    assert (problem.kind, problem.what) == ("missing", f"`{folder.parent / 'math'}` does not exist")
    assert "mathe/" in problem.hint


def test_a_truncated_header_is_damage(model: MakeModel) -> None:
    path = model("m") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:60])
    problem = problem_of(path.parent)
    assert problem.kind == "damaged"
    assert "model.safetensors" in problem.what


def test_an_adapter_is_not_a_model(model: MakeModel) -> None:
    folder = model("a")
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("{}")
    assert problem_of(folder).what.endswith("is an adapter, not a model")


def test_pickled_weights_are_refused(model: MakeModel) -> None:
    folder = model("p")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    problem = problem_of(folder)
    assert (problem.kind, "safe_serialization" in problem.hint) == ("missing", True)


@pytest.mark.parametrize("text", ["{", "[]", '{"vocab_size": "many"}', '{"architectures": 3}'])
def test_a_broken_configuration_is_damage(model: MakeModel, text: str) -> None:
    folder = model("c")
    (folder / "config.json").write_text(text)
    assert problem_of(folder).what.startswith("config.json is not readable")


def test_a_model_that_is_not_in_the_cache_offline() -> None:
    problem = problem_of("hf:acme/absent")
    assert (problem.kind, problem.hint) == (
        "offline",
        "unset HF_HUB_OFFLINE, or copy the repository into that cache",
    )


# --- pins ------------------------------------------------------------------------------------


def test_pinning_covers_every_byte(model: MakeModel) -> None:
    folder = model("m")
    facts = facts_of(folder)
    first = pin(ask(folder), facts, base=HERE)
    assert isinstance(first, ModelFacts) and first.pinned_by_content
    assert all(len(file.sha256 or "") == 64 for file in first.files)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    assert facts_of(folder).pin == facts.pin
    second = pin(ask(folder), facts, base=HERE)
    assert isinstance(second, ModelFacts) and second.pin != first.pin
    assert open_model(ask(folder), first, base=HERE) == folder
    with pytest.raises(RunError, match=r"model\.safetensors of .* changed since it was locked"):
        open_model(ask(folder), first, base=HERE, digest=file_sha256)


def test_a_model_pin_knows_no_place_and_no_card(model: MakeModel) -> None:
    a, b = model("a"), model("b")
    (b / "README.md").write_text("other")
    assert facts_of(a).pin == facts_of(b).pin
    (b / "config.json").write_text((b / "config.json").read_text().replace("Llama", "Qwen2"))
    assert facts_of(a).pin != facts_of(b).pin


# --- tokenizers --------------------------------------------------------------------------------


def tokenizer(folder: Path, **changes: Any) -> TokenizerSourceFacts:
    folder.mkdir(exist_ok=True)
    file = {
        "model": {"vocab": {"a": 0, "b": 1, "ab": 2, "<eos>": 3}, "merges": ["a b"]},
        "added_tokens": [{"id": 3, "content": "<eos>"}],
    }
    (folder / "tokenizer.json").write_text(json.dumps(file | changes))
    facts = inspect(ask(folder, "tokenizer"), base=HERE)
    assert isinstance(facts, TokenizerSourceFacts), facts
    return facts


def test_tokenizers_that_agree_grow_or_differ(tmp_path: Path) -> None:
    base = tokenizer(tmp_path / "a").tokenizer
    eos, new = {"id": 3, "content": "<eos>"}, {"id": 4, "content": "<new>"}
    grown = tokenizer(tmp_path / "b", added_tokens=[new, eos]).tokenizer
    clash = tokenizer(tmp_path / "c", added_tokens=[eos, {"id": 2, "content": "<new>"}]).tokenizer
    merged = tokenizer(
        tmp_path / "d", model={"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["b", "a"]]}
    ).tokenizer
    assert compare_tokenizers(base, base).kind == "same"
    assert (compare_tokenizers(base, grown).kind, compare_tokenizers(base, grown).extra) == ("extends", 1)
    for other in (clash, merged):
        assert compare_tokenizers(base, other).kind == "different"
    assert compare_tokenizers(grown, base).kind == "different"


def test_both_spellings_of_merges_are_one_tokenizer(tmp_path: Path) -> None:
    vocab = {"a": 0, "b": 1, "ab": 2, "<eos>": 3}
    a = tokenizer(tmp_path / "a", model={"vocab": vocab, "merges": ["a b"]})
    b = tokenizer(tmp_path / "b", model={"vocab": vocab, "merges": [["a", "b"]]})
    assert a.tokenizer == b.tokenizer


def test_a_chat_template_changes_the_pin_and_not_the_fingerprint(tmp_path: Path) -> None:
    before = tokenizer(tmp_path / "a")
    (tmp_path / "a" / "chat_template.jinja").write_text("{{ messages }}")
    after = tokenizer(tmp_path / "a")
    assert before.tokenizer == after.tokenizer
    assert before.pin != after.pin


def test_older_layouts_are_read(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "added_tokens.json").write_text('{"<eos>": 3}')
    facts = inspect(ask(tmp_path, "tokenizer"), base=HERE)
    assert isinstance(facts, TokenizerSourceFacts)
    assert (facts.tokenizer.vocab, facts.tokenizer.added) == (4, ((3, "<eos>"),))


def test_a_tokenizer_opens_only_as_it_was_locked(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    facts = pin(ask(folder, "tokenizer"), tokenizer(folder), base=HERE)
    assert isinstance(facts, TokenizerSourceFacts)
    assert open_tokenizer(ask(folder, "tokenizer"), facts, base=HERE) == folder
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("a b", "b a"))
    with pytest.raises(RunError, match=r"tokenizer\.json of .* changed since it was locked"):
        open_tokenizer(ask(folder, "tokenizer"), facts, base=HERE)


def test_a_folder_without_tokenizer_is_missing_one(tmp_path: Path) -> None:
    assert problem_of(tmp_path, "tokenizer").what == f"`{tmp_path}` holds no tokenizer files"
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    assert problem_of(tmp_path, "tokenizer").kind == "damaged"

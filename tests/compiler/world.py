"""A small world of sources that exist only as facts, for tests of the compiler.

Pages of `fusec explain` use the same names: `fixture:llama-a` and its kin, `fixture:text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from fusec.compiler.arch import arch_tensors
from fusec.compiler.check import check
from fusec.compiler.facts import (
    DataFacts,
    DeltaFacts,
    DeltaPart,
    ModelFacts,
    SourceFacts,
    SourceProblem,
    SourceRequest,
    TensorFact,
    TokenizerFacts,
    TokenizerSourceFacts,
)
from fusec.compiler.files import File
from fusec.compiler.fitting import unfit
from fusec.compiler.lower import lower
from fusec.compiler.plan import Plan, make_plan
from fusec.compiler.typed import Typed
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import parse
from fusec.lang.source import Source

A = TokenizerFacts(fingerprint="tok-a", vocab=64, core="core-a")
A_MORE = TokenizerFacts(fingerprint="tok-a-more", vocab=64, core="core-a", added=((62, "<x>"), (63, "<y>")))
A_WIDE = TokenizerFacts(fingerprint="tok-a-wide", vocab=66, core="core-a", added=((64, "<x>"), (65, "<y>")))
B = TokenizerFacts(fingerprint="tok-b", vocab=80, core="core-b")


def pin(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def model(uri: str, *, vocab: int, layers: int, tokenizer: TokenizerFacts, root: str | None) -> ModelFacts:
    sizes = {"layers": layers, "hidden": 16, "heads": 2}
    tensors = tuple(TensorFact(n, "bf16", s) for n, s in arch_tensors("llama", sizes, vocab))
    params = sum(_count(t.shape) for t in tensors)
    return ModelFacts(
        uri=uri,
        pin=pin(uri),
        pinned_by_content=True,
        files=(),
        architecture="llama",
        dtype="bf16",
        tensors=tensors,
        params=params,
        bytes=params * 2,
        vocab=vocab,
        tied=False,
        tokenizer=tokenizer,
        root_hint=root,
    )


def _count(shape: tuple[int, ...]) -> int:
    out = 1
    for size in shape:
        out *= size
    return out


def data(uri: str, rows: int, *columns: tuple[str, str]) -> DataFacts:
    return DataFacts(uri, pin(uri), True, (), "jsonl", columns, rows, rows * 100)


def adapter(uri: str, of: ModelFacts, *ends: str, hint: str | None = None, rank: int = 4) -> DeltaFacts:
    """A LoRA adapter of the tensors of a model whose names end so."""
    parts = tuple(
        DeltaPart(tensor.name, tensor.shape, rank, sum(tensor.shape) * rank * 4)
        for tensor in of.tensors
        if tensor.name.endswith(ends)
    )
    return DeltaFacts(uri, pin(uri), True, (), "fp32", parts, root_hint=hint)


ROOT = "fixture:llama-a"
FACTS: dict[tuple[str, str], SourceFacts] = {
    ("model", ROOT): model(ROOT, vocab=64, layers=2, tokenizer=A, root=ROOT),
    ("model", "fixture:llama-b"): model(
        "fixture:llama-b", vocab=80, layers=3, tokenizer=B, root="fixture:llama-b"
    ),
    ("tokenizer", ROOT): TokenizerSourceFacts(ROOT, pin("tok"), True, (), A),
    ("data", "./probe.jsonl"): data("./probe.jsonl", 1000, ("text", "Str")),
    ("data", "fixture:text"): data("fixture:text", 1000, ("text", "Str")),
    ("data", "fixture:lists"): data(
        "fixture:lists",
        100,
        ("name", "Str"),
        ("answers", "List[Str]"),
        ("votes", "List[Int]"),
        ("score", "Int"),
        ("mean", "Float"),
        ("meta", "{source: Str, year: Int}"),
    ),
    ("data", "fixture:pairs"): data(
        "fixture:pairs", 500, ("prompt", "Str"), ("response", "Str"), ("quality", "Float")
    ),
}
for child in ("math", "code", "law"):
    uri = f"fixture:llama-a-{child}"
    FACTS["model", uri] = model(uri, vocab=64, layers=2, tokenizer=A, root=ROOT)
FACTS["model", "fixture:llama-a-orphan"] = model(
    "fixture:llama-a-orphan", vocab=64, layers=2, tokenizer=A, root=None
)
FACTS["model", "fixture:llama-a-moretokens"] = model(
    "fixture:llama-a-moretokens", vocab=64, layers=2, tokenizer=A_MORE, root=ROOT
)


def two_towers() -> ModelFacts:
    """A model whose tensors are numbered in two lists: it has no one list of layers."""
    names = [f"{tower}.layers.{n}.weight" for tower in ("encoder", "decoder") for n in range(2)]
    tensors = tuple(TensorFact(name, "bf16", (16, 16)) for name in names)
    facts = model("fixture:two-towers", vocab=64, layers=2, tokenizer=A, root=None)
    params = 16 * 16 * len(names)
    return msgspec.structs.replace(facts, tensors=tensors, params=params, bytes=params * 2)


FACTS["model", "fixture:two-towers"] = two_towers()
FACTS["model", "fixture:llama-a-deep"] = model(
    "fixture:llama-a-deep", vocab=64, layers=4, tokenizer=A, root=None
)
FACTS["model", "fixture:llama-a-wide"] = model(
    "fixture:llama-a-wide", vocab=66, layers=2, tokenizer=A_WIDE, root=ROOT
)


_A, _B = FACTS["model", ROOT], FACTS["model", "fixture:llama-b"]
assert isinstance(_A, ModelFacts)
assert isinstance(_B, ModelFacts)
for delta in (
    adapter("fixture:lora-math", _A, "q_proj.weight", "v_proj.weight", hint=ROOT),
    adapter("fixture:lora-code", _A, "_proj.weight", hint=ROOT, rank=8),
    adapter("fixture:lora-orphan", _A, "q_proj.weight"),
    adapter("fixture:lora-moved", _A, "q_proj.weight", hint="../elsewhere/llama"),
    adapter("fixture:lora-deeper", _B, "q_proj.weight", hint=ROOT),
    adapter("fixture:lora-wider", _B, "embed_tokens.weight", hint=ROOT),
):
    FACTS["delta", delta.uri] = delta


def facts(request: SourceRequest) -> SourceFacts | SourceProblem:
    found = FACTS.get((request.kind, request.uri))
    if found is not None:
        return found
    if ":" in request.uri and not request.uri.startswith(("fixture:", "hf:", "pkg:", "file:")):
        return SourceProblem("scheme", f"no reader for `{request.uri}`")
    return SourceProblem("missing", f"there is no `{request.uri}`", "look at the path")


class Shelf:
    """Files that exist only as texts, by path."""

    main = "spec.fuse"

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.files = {path: File(path, parse(Source(path, text))) for path, text in texts.items()}

    def read(self, path: str) -> File | str:
        return self.files.get(path, "no such file")


def check_text(
    text: str, name: str = "spec.fuse", files: Mapping[str, str] | None = None, **settings: str
) -> tuple[Typed, tuple[Diagnostic, ...]]:
    """A checked text and everything said about it; `files` are those it may use."""
    shelf = Shelf({"spec.fuse": text, **(files or {})})
    typed = check(parse(Source(name, text)), facts, settings, files=shelf)
    return typed, typed.problems


def planned(
    text: str, target: str | None = None, files: Mapping[str, str] | None = None, **settings: str
) -> tuple[Typed, Plan]:
    """A text without errors and its plan, for one of its targets or for this machine."""
    typed, problems = check_text(text, files=files, **settings)
    assert not typed.failed, [problem.title() for problem in problems]
    place = None if target is None else typed.targets[target]
    return typed, make_plan(typed, lower(typed), spec="spec.fuse", spec_digest="", target=place)


def problems_of(text: str, files: Mapping[str, str] | None = None) -> tuple[Diagnostic, ...]:
    """What checking says, and planning for the first target of the text where checking is content."""
    typed, problems = check_text(text, files=files)
    if problems:
        return problems
    target = next(iter(typed.targets), None)
    typed, plan = planned(text, target, files)
    return unfit(typed, plan, None if target is None else typed.targets[target])

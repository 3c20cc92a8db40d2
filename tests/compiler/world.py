"""A small world of sources that exist only as facts, for tests of the compiler.

Pages of `fusec explain` use the same names: `fixture:llama-a` and its kin, `fixture:text`.
"""

from __future__ import annotations

from hashlib import sha256

from fusec.compiler.arch import arch_tensors
from fusec.compiler.check import check
from fusec.compiler.facts import (
    DataFacts,
    ModelFacts,
    SourceFacts,
    SourceProblem,
    SourceRequest,
    TensorFact,
    TokenizerFacts,
    TokenizerSourceFacts,
)
from fusec.compiler.typed import Typed
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import parse
from fusec.lang.source import Source

A = TokenizerFacts(fingerprint="tok-a", vocab=64, core="core-a")
A_MORE = TokenizerFacts(fingerprint="tok-a-more", vocab=64, core="core-a", added=((62, "<x>"), (63, "<y>")))
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


ROOT = "fixture:llama-a"
FACTS: dict[tuple[str, str], SourceFacts] = {
    ("model", ROOT): model(ROOT, vocab=64, layers=2, tokenizer=A, root=ROOT),
    ("model", "fixture:llama-b"): model(
        "fixture:llama-b", vocab=80, layers=3, tokenizer=B, root="fixture:llama-b"
    ),
    ("tokenizer", ROOT): TokenizerSourceFacts(ROOT, pin("tok"), True, (), A),
    ("data", "fixture:text"): data("fixture:text", 1000, ("text", "Str")),
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


def facts(request: SourceRequest) -> SourceFacts | SourceProblem:
    found = FACTS.get((request.kind, request.uri))
    if found is not None:
        return found
    if ":" in request.uri and not request.uri.startswith(("fixture:", "hf:", "pkg:", "file:")):
        return SourceProblem("scheme", f"no reader for `{request.uri}`")
    return SourceProblem("missing", f"there is no `{request.uri}`", "look at the path")


def check_text(text: str, name: str = "spec.fuse", **settings: str) -> tuple[Typed, tuple[Diagnostic, ...]]:
    """A checked text and everything said about it."""
    typed = check(parse(Source(name, text)), facts, settings)
    return typed, typed.problems

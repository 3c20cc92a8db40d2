"""What comes from outside: model folders, data files, tokenizers, pinned by content.

These are not verbs a spec can write; `from "..."` makes them. `pin` is the identity, `uri` only says
where the bytes were found.
"""

from __future__ import annotations

from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import DATA_OPTIONS
from fusec.compiler.slots import Plain, Want, Words
from fusec.compiler.step import Site, Step
from fusec.lang.types import DataType, DeltaType, ModelType, Type

SCHEMES = ("./path", "file", "hf", "pkg", "https", "s3")

OPTIONS: dict[str, dict[str, Want]] = {
    "data": {
        name: Words(kind) if isinstance(kind, tuple) else Plain(kind.__name__)
        for name, kind in DATA_OPTIONS.items()
    },
    "endpoint": {"model": Plain("str"), "logprobs": Plain("bool")},
}
"""What may stand in the block after `from "..."`, by kind; an endpoint is a model behind `https://`."""

LICENCE: Want = Plain("str")
"""`licence: "apache-2.0"`, which models and data may state: a note about the source, no way of reading it."""


class SourceModel(Step, verb="source.model", kernel="source"):
    """A model folder as it lies on disk; nothing is copied."""

    uri: str
    pin: str

    def gives(self, site: Site) -> Type:
        raise AssertionError("the type of a source comes from its facts")

    def cost(self, result: Type) -> Cost:
        return Cost()


class SourceEndpoint(Step, verb="source.endpoint", grade="external", kernel="endpoint"):
    """A hosted model: where it answers and what it is called there."""

    uri: str
    pin: str
    model: str
    logprobs: bool = False

    def gives(self, site: Site) -> Type:
        raise AssertionError("the type of a source comes from its facts")


class SourceDelta(SourceModel, verb="source.delta", kernel="source"):
    """An adapter or a stored task vector as it lies on disk."""


class SourceTokenizer(SourceModel, verb="source.tokenizer", kernel="source"):
    """A tokenizer folder as it lies on disk."""


class SourceData(SourceModel, verb="source.data", kernel="source"):
    """Data files, read once into Arrow."""

    options: tuple[str, ...] = ()

    loads = ("pyarrow",)

    def cost(self, result: Type) -> Cost:
        assert isinstance(result, DataType)
        size = max(result.bytes, 0)
        return Cost(reads=exactly(size), writes=Range(size * 0.8, size * 1.05, size * 2))


def model_bytes(type_: Type) -> int:
    """Payload bytes of a model or delta, 0 for anything broken."""
    return type_.space.bytes if isinstance(type_, (ModelType, DeltaType)) else 0

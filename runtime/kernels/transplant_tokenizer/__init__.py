"""transplant_tokenizer: a model whose embedding and head have a row for each token of another tokenizer.

Which row goes where is worked out once, for all tensors, as runs of rows that stay together; these and
every other tensor are copied by the operating system. Only stand-ins that are means go through arithmetic:
summed in float64 in the order of rows or donors, rounded to float32, then to the stored type.

Payload bytes: the model is read once, and for each token that it lacks one row of every donor that has it;
its own rows once more where a mean of them is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from fusec.compiler.vocabulary import padded, token_tensors
from fusec.runtime.hf_folder import ModelWriter, PlannedTensor
from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.transplant_tokenizer.companions import write_companions
from fusec.runtime.kernels.transplant_tokenizer.fill import Filler
from fusec.runtime.kernels.transplant_tokenizer.placing import Holder, Wishes, place
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.safetensors_header import read_model_headers
from fusec.runtime.sources.tokenizer_facts import token_rows

SPARSE = 1 << 20
"""How many more rows than tokens a vocabulary may have; beyond that its numbers are a mistake."""


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with `inputs["model"]` under the tokens of `inputs["tokenizer"]`.

    `base` is a model artifact or absent, `donors` and `tokens` are pairs (key, model artifact), the keys of
    `tokens` being tokens; the slots are those of the verb. Emits `transplanted` with what became of the
    tokens. Raises RunError naming file, tensor or token.
    """
    model: Artifact = inputs["model"]
    headers = read_model_headers(model.path)
    try:
        names = token_tensors({name: info.shape for name, info in headers.tensors.items()})
    except ValueError as error:
        raise RunError(f"{model.path} holds {error}", hint="its tokens cannot be renumbered") from error
    own = Holder(headers, _rows(model), headers.tensors[names[0]].shape[0])
    target = _rows(inputs["tokenizer"])
    height = padded(max(target.values()) + 1, slots["pad_to_multiple_of"])
    if height > len(target) + SPARSE:
        last, path = max(target, key=target.__getitem__), inputs["tokenizer"].path
        raise RunError(
            f"{path} has {len(target)} tokens and gives {last!r} the number {target[last]}",
            hint="numbers of tokens are rows of the embedding: number them without large gaps",
        )
    holders: dict[str, Holder] = {}
    wishes = Wishes(
        base=_holder(inputs["base"], holders) if inputs.get("base") else None,
        donors=tuple(_holder(donor, holders) for _, donor in inputs.get("donors", ())),
        tokens={token: _holder(donor, holders) for token, donor in inputs.get("tokens", ())},
        zero=frozenset(slots["zero"]),
        force=frozenset(slots["force"]),
        zero_when_missing=slots["missing"] == "zero",
    )
    placed = place(own, target, height, wishes)
    ctx.emit("transplanted", **placed.counts)
    planned = [
        PlannedTensor(name, info.dtype, (height, *info.shape[1:]) if name in names else info.shape)
        for name, info in headers.tensors.items()
    ]
    try:
        write_companions(model.path, inputs["tokenizer"].path, ctx.out, own.rows, target, height)
        with ExitStack() as stack, ModelWriter(ctx.out, planned) as writer:
            files = Files(stack)
            for name, info in headers.tensors.items():
                path = headers.path_of(name)
                if name in names:
                    filler = Filler(name, own, placed, files.open)
                    filler.write(writer, ctx.meter)
                else:
                    writer.copy(name, files.open(path), info.start, info.bytes, str(path))
                    ctx.meter.bytes_read += info.bytes
                    ctx.meter.bytes_written += info.bytes
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise RunError(f"the transplant into {ctx.out} failed: {error.strerror}{where}") from error


class Files:
    """Files opened once for reading and closed with the stack."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[str, int] = {}

    def open(self, path: os.PathLike[str]) -> int:
        key = os.fspath(path)
        if key not in self._open:
            self._open[key] = os.open(key, os.O_RDONLY)
            self._stack.callback(os.close, self._open[key])
        return self._open[key]


def _rows(artifact: Artifact) -> dict[str, int]:
    try:
        rows = token_rows(artifact.path)
    except Unusable as error:
        raise RunError(f"{artifact.path}: {error.problem.what}", hint=error.problem.hint) from error
    if rows is None:
        raise RunError(f"{artifact.path} has no tokenizer", hint="put its files beside the weights")
    return rows


def _holder(donor: Artifact, known: dict[str, Holder]) -> Holder:
    key = str(donor.path)
    if key not in known:
        headers = read_model_headers(donor.path)
        try:
            names = token_tensors({name: info.shape for name, info in headers.tensors.items()})
        except ValueError as error:
            raise RunError(f"{donor.path} holds {error}", hint="use another donor") from error
        known[key] = Holder(headers, _rows(donor), headers.tensors[names[0]].shape[0])
    return known[key]

"""What a model changed in a base, tensor by tensor, as an adapter can hold it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS
from fusec.compiler.lora import is_linear, is_target
from fusec.runtime.hf_folder import read_config
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.codec import F32, STORED
from fusec.runtime.positioned import read_into
from fusec.runtime.sources.safetensors_header import ModelHeaders
from fusec.runtime.transfer import PIECE, read_floats

_TIED = "an adapter changes only one of the two"


class Pair:
    """The tensors of a base and a model of the same names, and a reader of both."""

    def __init__(self, base: ModelHeaders, model: ModelHeaders, fds: Mapping[Path, int]) -> None:
        self.base, self.model, self._fds = base, model, fds
        self.tied = read_config(base.folder).get("tie_word_embeddings") is True or TIED_HEADS.isdisjoint(
            base.tensors
        )

    def targets(self, target: Sequence[str], keep: Sequence[str]) -> tuple[list[str], list[str]]:
        """The tensors that may change: those to factorise, and those to store whole if they did.

        RunError for models that do not match, and for a change that no adapter holds.
        """
        linear: list[str] = []
        others: list[str] = []
        for name, info in self.base.tensors.items():
            if (self.tied and name in TIED_HEADS) or not is_target(name, target, keep):
                continue
            found = self.model.tensors.get(name)
            if found is None or found.shape != info.shape:
                lacks = "does not have" if found is None else "has another shape of"
                raise RunError(f"{self.model.folder} {lacks} `{name}` of its base {self.base.folder}")
            if (info.dtype in STORED) != (found.dtype in STORED):
                raise RunError(f"`{name}` is {found.dtype} in {self.model.folder}, {info.dtype} in the base")
            (linear if is_linear(name, info.shape) and info.dtype in STORED else others).append(name)
        return linear, others

    def change(self, name: str) -> F32:
        """`X - B` in float32, of the shape of the tensor."""
        base, model = (np.empty(self.base.tensors[name].elements, np.float32) for _ in range(2))
        for headers, out in ((self.base, base), (self.model, model)):
            self._floats(headers, name, 0, out)
        return np.subtract(model, base, out=model).reshape(self.base.tensors[name].shape)

    def changed(self, name: str) -> bool:
        """Whether a tensor that is not factorised differs. RunError where the adapter could not hold that."""
        info = self.base.tensors[name]
        if info.dtype not in STORED:
            if self._raw(self.base, name) != self._raw(self.model, name):
                raise RunError(f"`{name}` differs from the base's, and no adapter changes {info.dtype}")
            return False
        for start in range(0, info.elements, PIECE):
            a, b = (np.empty(min(PIECE, info.elements - start), np.float32) for _ in range(2))
            self._floats(self.base, name, start, a)
            self._floats(self.model, name, start, b)
            if not np.array_equal(a, b):
                if self.tied and name.endswith(EMBEDDINGS):
                    raise RunError(
                        f"`{name}` of {self.model.folder} changed and is also the head: {_TIED}",
                        hint=f'leave it to the base with `keep: ["{name}"]`, or take a `task_vector`',
                    )
                return True
        return False

    def _floats(self, headers: ModelHeaders, name: str, start: int, out: F32) -> None:
        path = headers.path_of(name)
        for at in range(0, out.size, PIECE):
            read_floats(self._fds[path], path, headers.tensors[name], start + at, out[at : at + PIECE])

    def _raw(self, headers: ModelHeaders, name: str) -> tuple[str, bytes]:
        info, path = headers.tensors[name], headers.path_of(name)
        raw = np.empty(info.bytes, np.uint8)
        read_into(self._fds[path], raw, info.start, str(path))
        return info.dtype, raw.tobytes()


@contextmanager
def opened(base: ModelHeaders, model: ModelHeaders) -> Iterator[Pair]:
    """A pair of models, open for reading."""
    with ExitStack() as stack:
        fds: dict[Path, int] = {}
        for path in sorted({headers.path_of(name) for headers in (base, model) for name in headers.tensors}):
            fds[path] = os.open(path, os.O_RDONLY)
            stack.callback(os.close, fds[path])
        yield Pair(base, model, fds)

"""The contract between an executor and the kernels that do the work.

A kernel is one function `run(inputs, slots, ctx)` in `fusec/runtime/kernels/<name>/`, or in the module that
a package names. It reads the artifacts in `inputs`, fills the empty folder `ctx.out` and returns nothing.
Everything else (where the folder is published, identities, retries) belongs to the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Kind = Literal["model", "data", "tokenizer", "report", "delta"]


@dataclass(frozen=True)
class Artifact:
    """A complete result on disk.

    model      a Hugging Face folder (config, safetensors shards, tokenizer files)
    delta      a PEFT adapter, or a folder with `delta.json` and safetensors shards of differences
    data       a folder with `data.arrow`, an Arrow IPC stream
    tokenizer  a folder that `AutoTokenizer.from_pretrained` loads
    report     a folder with `report.json`
    """

    kind: Kind
    path: Path
    id: str


@dataclass(frozen=True)
class Method:
    """A method value from a spec, every default filled in: `ties(density: 0.5)`.

    `kernel` is the module that does its part of the work, for a method that a package brings.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    kernel: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.args[name]


@dataclass
class Meter:
    """What a kernel used, counted by the kernel itself. Bytes are payload bytes, not headers.

    `expert_bytes` are those of `bytes_read` that a budget of a merge binds; `analysis_bytes` were read beside
    them to find out what to read, `reused_bytes` copied from results of earlier merges. `teacher_tokens` are
    those of `tokens` that a teacher read or wrote.
    """

    bytes_read: int = 0
    bytes_written: int = 0
    expert_bytes: int = 0
    analysis_bytes: int = 0
    reused_bytes: int = 0
    tokens: int = 0
    teacher_tokens: int = 0
    flops: float = 0.0
    steps: int = 0


class Emit(Protocol):
    """`emit("progress", done=3, total=10, unit="steps")`: goes to the event stream of the run."""

    def __call__(self, kind: str, /, **fields: Any) -> None: ...


@dataclass(frozen=True)
class Context:
    """What a kernel may use besides its inputs.

    `reads` says what a merge under a budget reads of its experts: name of a tensor -> `merge.reads.Reads`.
    `pulse`, called now and then in the thread of `run`, raises `RunError` when the work has to stop, because
    the run crossed its budget; `emit` does so too. Let that error pass.
    """

    out: Path
    emit: Emit
    meter: Meter
    seed: int | None = None
    threads: int = 1
    device: str = "cpu"
    reads: Mapping[str, Any] | None = None
    pulse: Callable[[], None] = lambda: None


class RunError(Exception):
    """Something outside the program is wrong: one sentence that names the file, tensor or row.

    `hint` is the next step. Shown as one clear error, never as a traceback. A sentence that begins with a
    code, `FUSE505: the plan ...`, has a page that `fusec explain` prints.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint

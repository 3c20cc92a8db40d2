"""A vocabulary of 300, a two-layer llama, and a way to run a kernel as the executor would."""

import importlib
from types import SimpleNamespace

import pyarrow as pa
import pytest

from fusec.runtime.kernel import Artifact, Context, Meter, Method

SENTENCES = [
    "The river carries cold water from the mountains down to the harbour.",
    "A model is merged by adding the weights of its experts, block by block.",
    "def area(width, height):\n    return width * height\n",
    "In the evening the lamps along the harbour are lit, one after another.",
    "for name in names:\n    print(name, names[name])\n",
    "Nobody remembers who planted the three old pear trees behind the mill.",
]

TINY = {"layers": 2, "hidden": 32, "heads": 4, "kv_heads": 2, "intermediate": 48, "context": 64}

FINETUNE = {
    "epochs": None,
    "steps": None,
    "lr": 3e-3,
    "batch": 4,
    "accumulate": 1,
    "context": None,
    "schedule": "linear",
    "warmup": 0.0,
    "weight_decay": 0.0,
}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """data(text=[...]) is a data artifact with these columns; `rows_per_batch` cuts it differently."""

    def make(*, rows_per_batch=None, **columns):
        folder = tmp_path_factory.mktemp("data")
        table = pa.table(columns)
        with (
            pa.OSFile(str(folder / "data.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as writer,
        ):
            writer.write_table(table, max_chunksize=rows_per_batch)
        return Artifact("data", folder, "id-data")

    return make


@pytest.fixture(scope="session")
def execute(tmp_path_factory):
    """execute("init", inputs, **slots) runs a kernel; its result has `artifact`, `events` and `meter`."""
    kinds = {"train_tokenizer": "tokenizer", "evaluate": "report"}

    def run(kernel, inputs, *, seed=7, threads=1, **slots):
        out = tmp_path_factory.mktemp(kernel)
        events, meter = [], Meter()
        ctx = Context(
            out=out,
            emit=lambda kind, /, **fields: events.append((kind, fields)),
            meter=meter,
            seed=seed,
            threads=threads,
        )
        importlib.import_module(f"fusec.runtime.kernels.{kernel}").run(inputs, slots, ctx)
        return SimpleNamespace(
            artifact=Artifact(kinds.get(kernel, "model"), out, "id"), events=events, meter=meter
        )

    return run


@pytest.fixture(scope="session")
def sentences():
    """48 short texts, prose and code."""
    return SENTENCES * 8


@pytest.fixture(scope="session")
def text(data, sentences):
    return data(text=sentences)


@pytest.fixture(scope="session")
def tokenizer(execute, text):
    return execute("train_tokenizer", {"data": (("", text),)}, vocab=300, column="text").artifact


@pytest.fixture(scope="session")
def tiny():
    """The sizes of the tiny llama."""
    return TINY


@pytest.fixture(scope="session")
def make_model(execute, tokenizer):
    """make_model(tie_embeddings=True) is an untrained tiny llama."""

    def make(*, arch="llama", dtype="fp32", seed=7, **args):
        method = Method(arch, TINY | args)
        return execute("init", {"tokenizer": tokenizer}, seed=seed, arch=method, dtype=dtype).artifact

    return make


@pytest.fixture(scope="session")
def model(make_model):
    return make_model()


@pytest.fixture(scope="session")
def finetune(execute):
    """finetune(model, data, steps=3) with the other slots at their defaults."""

    def run(model, data, *, seed=7, **slots):
        slots = FINETUNE | slots
        return execute("finetune", {"model": model, "data": data}, seed=seed, **slots)

    return run


@pytest.fixture(scope="session")
def pairs(data):
    """Prompts and responses of uneven length."""
    return data(
        prompt=["Where does the river go?", "Area?", "Who planted the old pear trees behind the mill?"],
        response=["To the harbour.", "return width * height", "Nobody remembers."],
    )

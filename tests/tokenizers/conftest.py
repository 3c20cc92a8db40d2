"""Tokenizers of 280 tokens or so, tiny models that carry them, and kernels run as the executor would."""

import importlib
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from fusec.runtime.kernel import Artifact, Context, Meter

PROSE = ["the river runs down to the harbour where the lamps are lit in the evening"] * 4
CODE = ["def area(width, height):\n    return width * height\n", "for name in names: print(name)"] * 4
CHAT_TEMPLATE = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"


def byte_level(texts, size, special=("<s>", "</s>"), **settings):
    tokenizer = Tokenizer(models.BPE(**settings))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, special=True) for token in special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def word_piece(texts, size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    alphabet = [chr(c) for c in range(33, 127)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[UNK]"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def unigram(texts, size):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    alphabet = [chr(c) for c in range(33, 127)]
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=["<unk>"],
        unk_token="<unk>",
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def sentence_piece(texts, size):
    """A BPE with `▁` for spaces and bytes for unknown characters, as Llama 2 has it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    state = json.loads(tokenizer.to_str())
    vocab = state["model"]["vocab"]
    vocab |= {f"<0x{byte:02X}>": len(vocab) + byte for byte in range(256)}
    return Tokenizer.from_str(json.dumps(state))


def save_tokenizer(tokenizer, folder, **roles):
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles).save_pretrained(folder)
    return folder


def lend_tokenizer(source, folder):
    """Copies the tokenizer of one folder into another."""
    for file in source.glob("tokenizer*"):
        shutil.copy(file, folder)


def save_model(folder, rows, *, hidden=8, tied=False, bias=True, dtype=torch.bfloat16, seed=1, config=None):
    """A model of one layer with `rows` rows of tokens, random in every tensor."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "model.embed_tokens.weight": (rows, hidden),
        "model.layers.0.mlp.up_proj.weight": (4, hidden),
        "model.norm.weight": (hidden,),
    }
    if not tied:
        shapes["lm_head.weight"] = (rows, hidden)
    if bias and not tied:
        shapes["lm_head.bias"] = (rows,)
    tensors = {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}
    folder.mkdir(exist_ok=True)
    fields = {"model_type": "llama", "vocab_size": rows, "tie_word_embeddings": tied} | (config or {})
    (folder / "config.json").write_text(json.dumps(fields))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return tensors


@pytest.fixture(scope="session")
def make():
    """What builds tokenizers and models: `make.byte_level(texts, size)`, `make.save_model(folder, rows)`."""
    return SimpleNamespace(
        PROSE=PROSE,
        CODE=CODE,
        CHAT_TEMPLATE=CHAT_TEMPLATE,
        byte_level=byte_level,
        word_piece=word_piece,
        unigram=unigram,
        sentence_piece=sentence_piece,
        save_tokenizer=save_tokenizer,
        lend_tokenizer=lend_tokenizer,
        save_model=save_model,
    )


@pytest.fixture(scope="session")
def union(tmp_path_factory):
    """union(folder, folder, chat_template=folder) runs the kernel: `path`, `tokenizer`, `events`."""

    def run(*folders, chat_template=None):
        inputs = {"of": tuple(("", Artifact("tokenizer", folder, folder.name)) for folder in folders)}
        if chat_template:
            inputs["chat_template"] = Artifact("tokenizer", chat_template, "template")
        out, events = execute("union_tokenizers", inputs, {}, tmp_path_factory)
        return SimpleNamespace(
            path=out, tokenizer=Tokenizer.from_file(str(out / "tokenizer.json")), events=events
        )

    return run


@pytest.fixture(scope="session")
def transplant(tmp_path_factory):
    """transplant(model, tokenizer, base=folder, donors=[folder], tokens={token: folder}, ...).

    The result has a `path` and `events`.
    """

    def run(model, tokenizer, *, base=None, donors=(), tokens=None, **slots):
        inputs = {
            "model": Artifact("model", model, "model"),
            "tokenizer": Artifact("tokenizer", tokenizer, "tokenizer"),
            "donors": tuple(("", Artifact("model", folder, "donor")) for folder in donors),
            "tokens": tuple((t, Artifact("model", f, "donor")) for t, f in (tokens or {}).items()),
        }
        if base:
            inputs["base"] = Artifact("model", base, "base")
        defaults = {"zero": (), "force": (), "missing": "mean", "pad_to_multiple_of": 1}
        out, events = execute("transplant_tokenizer", inputs, defaults | slots, tmp_path_factory)
        return SimpleNamespace(path=out, events=events)

    return run


def execute(kernel, inputs, slots, folders):
    out = folders.mktemp(kernel)
    events = []
    ctx = Context(out=out, emit=lambda kind, /, **fields: events.append((kind, fields)), meter=Meter())
    importlib.import_module(f"fusec.runtime.kernels.{kernel}").run(inputs, slots, ctx)
    return out, events

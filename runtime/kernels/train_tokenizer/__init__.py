"""train_tokenizer: a byte-level BPE vocabulary learned from text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.train.folder import quiet
from fusec.runtime.kernels.train.rows import read_text

UNK, BOS, EOS, PAD = "<unk>", "<s>", "</s>", "<pad>"  # ids 0 to 3; bos 1 and eos 2 are where llama has them
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|{{ message['role'] }}|>\n{{ message['content'] }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with a tokenizer of exactly `vocab` tokens, special ones included.

    Exactly, because the compiler has already given a model that many rows. Reads column `column` of every
    part of `data` in order. All 256 bytes are tokens, so every text has an encoding. Raises RunError when
    there is too little text for `vocab`, or no room in it beside bytes and special tokens.
    """
    special = [UNK, BOS, EOS, PAD, *ROLES]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    least = len(special) + len(alphabet)
    if slots["vocab"] < least:
        raise RunError(
            f"vocab is {slots['vocab']}, but the bytes and special tokens alone are {least}",
            hint=f"write `vocab: {least}` or more",
        )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=slots["vocab"],
        special_tokens=[AddedToken(token, special=True) for token in special],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(inputs["data"], slots["column"], ctx), trainer)
    if ctx.meter.bytes_read == 0:
        raise RunError(f"column `{slots['column']}` of the data holds no text to learn a vocabulary from")
    if tokenizer.get_vocab_size() < slots["vocab"]:
        found = tokenizer.get_vocab_size()
        raise RunError(
            f"the text is too small for a vocabulary of {slots['vocab']}: it gives {found} tokens",
            hint=f"write `vocab: {found}` or add text",
        )
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B:1", special_tokens=[(BOS, bos)]
            ),
        ]
    )
    with quiet():
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            unk_token=UNK,
            bos_token=BOS,
            eos_token=EOS,
            pad_token=PAD,
            additional_special_tokens=list(ROLES),
            chat_template=CHAT_TEMPLATE,
            clean_up_tokenization_spaces=False,
        ).save_pretrained(ctx.out)


def _texts(data: tuple[tuple[str, Artifact], ...], column: str, ctx: Context) -> Iterator[list[str]]:
    for _, part in data:
        for _, texts in read_text(part, column):
            ctx.meter.bytes_read += sum(len(text.encode()) for text in texts)
            yield texts

"""train_tokenizer: a byte-level BPE tokenizer from text."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from fusec.compiler.cost import TORCH, Cost, Range, exactly
from fusec.compiler.rowtypes import rows_of
from fusec.compiler.slots import ColumnPath, DataMap
from fusec.compiler.step import Site, Step
from fusec.compiler.texts import need_columns
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.types import TokenizerType, Type


class TrainTokenizer(Step, verb="train_tokenizer", kernel="train_tokenizer", subject="data"):
    """Learn a byte-level BPE vocabulary of exactly `vocab` tokens from a text column.

    All bytes are tokens, so every text can be written; 263 is the least: 256 bytes and 7 special tokens.

    Example:

    ```fuse
    tokenizer own = train_tokenizer { data: text, vocab: 4096 }
    ```
    """

    data: DataMap
    vocab: Annotated[int, Ge(263)]
    column: ColumnPath = "text"

    loads = ("pyarrow", *TORCH)

    def gives(self, site: Site) -> Type:
        if not self.data:
            site.report(EmptyList(at=site.at("data"), slot="data", verb="train_tokenizer"))
        for index, part in enumerate(self.data):
            need_columns(
                site, part.input, ((self.column,),), "data", index, "a tokenizer is learned from text"
            )
        return TokenizerType(f"%{site.name}", self.vocab)

    def cost(self, result: Type) -> Cost:
        types = [rows_of(part.input) for part in self.data]
        size = float(sum(max(data.bytes, 0) for data in types if data))
        # Counting words and merging pairs: a few hundred operations per byte of text.
        return Cost(
            reads=exactly(size), writes=Range(2e4, 2e5, 2e7), flops=Range(size * 5e3, size * 2e4, size * 1e5)
        )

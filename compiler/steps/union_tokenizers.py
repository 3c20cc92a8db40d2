"""union_tokenizers: one tokenizer with the tokens of several."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from fusec.compiler.cost import Cost, Range
from fusec.compiler.slots import TokenizerOf, Tokenizers
from fusec.compiler.step import Site, Step
from fusec.compiler.vocabulary import tokenizer_type
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import TokenizerType, Type, Unknown


class UnionTokenizers(Step, verb="union_tokenizers", kernel="union_tokenizers", subject="of"):
    """Unite the tokens of several tokenizers, or of the tokenizers that models carry.

    The first keeps its numbers and its way of splitting text. Behind its tokens come those of the others
    that it lacks, in the order of the list, then their added tokens; of two definitions of one added token
    the first counts. BPE tokenizers unite their merges too, and a token that no text would lead to gets one
    where two tokens make it up. The tokenizers must be of one kind (BPE, WordPiece, Unigram, WordLevel) and
    turn tokens into text alike. The chat template is the first's, or that of `chat_template`.

    Example:

    ```fuse
    tokenizer both = union_tokenizers { of: [base, math] }
    model aligned = transplant_tokenizer { model: math, tokenizer: both, donors: [base] }
    ```
    """

    of: Tokenizers
    chat_template: TokenizerOf | None = None

    def gives(self, site: Site) -> Type:
        if not self.of:
            site.report(EmptyList(at=site.at("of"), slot="of", verb="union_tokenizers"))
            return Unknown()
        types = []
        for index, item in enumerate(self.of):
            found = tokenizer_type(site, item.input)
            if found is None:
                got = f"`{site.label(item.input)}`, a model without a tokenizer"
                allowed = "tokenizers, and models that carry one"
                site.report(OutOfRange(at=site.at("of", index), what="`of`", got=got, allowed=allowed))
                return Unknown()
            types.append(found)
        first, names = types[0], [type_.fingerprint for type_ in types]
        if all(name == first.fingerprint for name in names):
            return first
        fingerprint = sha256(msgspec.json.encode(list(dict.fromkeys(names)))).hexdigest()
        distinct = {type_.fingerprint: type_.vocab for type_ in types}
        return TokenizerType(f"%{fingerprint}", sum(distinct.values()), exact=False)

    def cost(self, result: Type) -> Cost:
        tokens = float(result.vocab) if isinstance(result, TokenizerType) else 0.0
        return Cost(
            reads=Range(tokens * 10, tokens * 25, tokens * 60),
            writes=Range(tokens * 5, tokens * 20, tokens * 60),
            flops=Range(tokens * 1e3, tokens * 1e4, tokens * 1e5),
        )

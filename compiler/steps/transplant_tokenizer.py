"""transplant_tokenizer: a model with the tokens of another tokenizer."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le

from fusec.compiler.coordinates import check_same_model_but_tokens
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.slots import Model, Models, TokenizerOf
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.compiler.vocabulary import space_of_rows, tokenizer_type
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import ModelType, Type, Unknown


class TransplantTokenizer(Step, verb="transplant_tokenizer", kernel="transplant_tokenizer", subject="model"):
    """Give a model the tokens of another tokenizer: rows of embedding and head are put in its order.

    Each token keeps its row, whatever its number becomes, and all other tensors are copied. A token that the
    model lacks takes the row of `base` where that has it, else the mean of the rows of those `donors` that
    have it, and where none has, `missing`: the mean of the model's own rows, or zeros. `tokens` names a
    donor for single tokens and `zero` lists tokens whose rows are zeros; both leave a row alone that the
    model has, unless `force` lists the token too. The embedding gets one row per token, rounded up to
    `pad_to_multiple_of`. Models of one ancestor with the tokens of one tokenizer can be merged.

    Example:

    ```fuse
    tokenizer both = union_tokenizers { of: [base, math] }
    model base2 = transplant_tokenizer { model: base, tokenizer: both, donors: [math] }
    model math2 = transplant_tokenizer { model: math, tokenizer: both, donors: [base] }
    model merged = merge { base: base2, experts: [math2], method: average }
    ```
    """

    model: Model
    tokenizer: TokenizerOf
    base: Model | None = None
    donors: Models = ()
    tokens: Models = ()
    zero: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    missing: Literal["mean", "zero"] = "mean"
    pad_to_multiple_of: Annotated[int, Ge(1), Le(1 << 20)] = 1

    def gives(self, site: Site) -> Type:
        model, tokenizer = self.model.type, tokenizer_type(site, self.tokenizer)
        if not isinstance(model, ModelType):
            return Unknown()
        if not model.tokenizer or tokenizer is None:
            slot = "model" if tokenizer else "tokenizer"
            got = f"`{site.label(getattr(self, slot))}`, a model without a tokenizer"
            allowed = "a model whose folder holds its tokenizer"
            site.report(OutOfRange(at=site.at(slot), what=f"`{slot}`", got=got, allowed=allowed))
            return Unknown()
        try:
            space = space_of_rows(site, model, tokenizer, self.pad_to_multiple_of)
        except ValueError as error:
            got, allowed = f"one with {error}", "a model whose embedding and head are known by their names"
            site.report(OutOfRange(at=site.at("model"), what="`model`", got=got, allowed=allowed))
            return Unknown()
        if self.base is not None:
            check_same_model_but_tokens(site, self.model, self.base, site.at("base"))
        for slot in ("donors", "tokens"):
            for index, donor in enumerate(getattr(self, slot)):
                check_same_model_but_tokens(site, self.model, donor.input, site.at(slot, index))
        self._check_tokens(site)
        # Still the same checkpoint, in other coordinates: what is known of its ancestor holds.
        return ModelType(space, model.dtype, model.identity, model.root, tokenizer.fingerprint)

    def _check_tokens(self, site: Site) -> None:
        named = [item.key for item in self.tokens]
        if "" in named:
            allowed = 'a map from tokens to models, `["<|im_start|>": chat]`'
            site.report(OutOfRange(at=site.at("tokens"), what="`tokens`", got="a list", allowed=allowed))
            return
        twice = next((token for token in self.zero if token in named), None)
        if twice is not None:
            got, allowed = f"`{twice}`, which `tokens` gives a row", "tokens without a donor"
            site.report(OutOfRange(at=site.at("zero"), what="`zero`", got=got, allowed=allowed))
        stray = next((token for token in self.force if token not in (*named, *self.zero)), None)
        if stray is not None:
            got, allowed = f"`{stray}`", "tokens that `tokens` or `zero` gives a row"
            site.report(OutOfRange(at=site.at("force"), what="`force`", got=got, allowed=allowed))

    def cost(self, result: Type) -> Cost:
        own, made = model_bytes(self.model.type), model_bytes(result)
        rows = sum(model_bytes(item.input.type) for item in (*self.donors, *self.tokens))
        rows += model_bytes(self.base.type) if self.base is not None else 0
        return Cost(
            reads=Range(own * 0.5, own, float(own + rows)),
            writes=exactly(made),
            memory=Range(16e6, 64e6, 1e9),
        )

    def order(self, ids: dict[str, str]) -> Step:
        zero, force = tuple(sorted(set(self.zero))), tuple(sorted(set(self.force)))
        return self.model_copy(update={"zero": zero, "force": force})

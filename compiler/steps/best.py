"""best: the candidate with the best score."""

from __future__ import annotations

from typing import Literal

from fusec.compiler.cost import Cost, exactly
from fusec.compiler.slots import ColumnPath, Models, Reports
from fusec.compiler.step import Site, Step
from fusec.compiler.steps.source import model_bytes
from fusec.lang.codes.fuse101_unknown_name import UnknownName
from fusec.lang.codes.fuse208_keys_differ import KeysDiffer
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import ModelType, ReportType, Type, Unknown, score_paths

LOWER_IS_BETTER = ("loss", "perplexity")


class Best(Step, verb="best", kernel="best", subject="of"):
    """Choose among models by a score of their reports, in the order given when scores are equal.

    `on` holds one report per candidate, in the same order or under the same keys. `prefer` follows from
    the score (`lowest` for loss and perplexity, else `highest`) unless it is written.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: average }
    report scores[m in ["base", "both"]] = evaluate { model: ["base": base, "both": both][m], data: text }
    model better = best { of: ["base": base, "both": both], by: .average.loss, on: scores }
    ```
    """

    of: Models
    by: ColumnPath
    on: Reports
    prefer: Literal["highest", "lowest"] | None = None

    def gives(self, site: Site) -> Type:
        if not self.of:
            site.report(EmptyList(at=site.at("of"), slot="of", verb="best"))
            return Unknown()
        models = tuple(item.key for item in self.of)
        reports = tuple(item.key for item in self.on)
        if len(models) != len(reports) or (any(models) and any(reports) and models != reports):
            site.report(
                KeysDiffer(
                    at=site.at("on"),
                    name="on",
                    keys=reports,
                    other_at=site.at("of"),
                    other="of",
                    other_keys=models,
                )
            )
        for report in self.on:
            paths = score_paths(report.input.type) if isinstance(report.input.type, ReportType) else None
            if paths is not None and self.by not in paths:
                site.report(
                    UnknownName(name=self.by, at=site.at("by"), known=tuple((p, None) for p in paths))
                )
                break
        types = [item.input.type for item in self.of]
        spaces = {t.space.fingerprint for t in types if isinstance(t, ModelType)}
        first = types[0]
        if len(spaces) > 1:
            got = "models of several weight spaces"
            allowed = "models of one space, so that what `best` gives is known before the run"
            site.report(OutOfRange(at=site.at("of"), what="`of`", got=got, allowed=allowed))
            return Unknown()
        if not isinstance(first, ModelType):
            return Unknown()
        roots = {t.root or t.identity for t in types if isinstance(t, ModelType)}
        root = roots.pop() if len(roots) == 1 else ""
        return ModelType(first.space, first.dtype, f"%{site.name}", root, first.tokenizer)

    def cost(self, result: Type) -> Cost:
        size = exactly(model_bytes(result))
        return Cost(reads=size, writes=size)


def direction(score: str, prefer: str | None) -> str:
    """`highest` or `lowest`: as stated, else by the name of the score."""
    return prefer or ("lowest" if score.rpartition(".")[2] in LOWER_IS_BETTER else "highest")

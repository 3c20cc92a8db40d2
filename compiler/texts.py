"""What verbs that read text ask of data: columns, and how many tokens to expect."""

from __future__ import annotations

from fusec.compiler.cost import Range
from fusec.compiler.rowtypes import rows_of
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.codes.fuse205_column_type import ColumnTypeDiffers
from fusec.lang.column_types import OTHER

LANGUAGE_MODEL_COLUMNS = (("text",), ("prompt", "response"), ("messages",))


def need_columns(
    site: Site, data: Input, choices: tuple[tuple[str, ...], ...], slot: str, index: int | None, why: str
) -> None:
    """Report a missing column unless the data has all columns of one choice; plain columns hold Str."""
    type_ = rows_of(data)
    if type_ is None:
        return
    columns = dict(type_.columns)
    choice = next((c for c in choices if all(name in columns for name in c)), None)
    if choice is None:
        # Name what is missing from the choice that is nearest.
        best = max(choices, key=lambda c: sum(name in columns for name in c))
        column = next(name for name in best if name not in columns)
        site.report(
            ColumnMissing(
                needs=site.name,
                column=column,
                at=site.at(slot, index),
                has=tuple(columns),
                why_needed=why,
                dropped_at=site.dropped(data, column),
            )
        )
        return
    for name in choice:
        has = columns[name]
        if name != "messages" and has.name != "Str" and has != OTHER:
            site.report(
                ColumnTypeDiffers(
                    column=name, at=site.at(slot, index), has=str(has), wants="Str", by=site.name
                )
            )


def tokens_in(data: Input, epochs: float = 1.0) -> Range:
    """Tokens to expect: one per 6 to 1.5 bytes of text, 3.5 where nothing is known."""
    type_ = rows_of(data)
    size = float(max(type_.bytes, 0)) * epochs if type_ else 0.0
    return Range(size / 6, size / 3.5, size / 1.5)

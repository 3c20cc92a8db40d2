"""FUSE008: a tab, or a character outside ASCII that looks like one inside it."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class LookAlike(Diagnostic, code="FUSE008"):
    """A tab, a curly quote or another look-alike stands outside strings and comments.

    Names, marks and quotes are plain ASCII, so that two names that look equal are equal. Editors and
    chat windows like to put in `“`, `–`, a space that does not break, or a Cyrillic `а`; each is read as
    the character it looks like, and named here. Strings and comments hold any text.

    ```fuse fails
    edition 2026

    model base from “fixture:llama-a”

    output base to "./models/copy"
    ```

    With straight quotes:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"

    output base to "./models/copy"
    ```
    """

    at: Span
    meant: str | None
    """The ASCII text it looks like; None when it looks like nothing the language has."""
    more: tuple[Span, ...] = ()
    """Other places of the same mistake: the second quote, or every later tab of the file."""

    def title(self) -> str:
        text = self.at.text
        if text[0] == "\t":
            return "this is a tab, not spaces"
        if self.meant is None:
            name = "a name" if text.isidentifier() else "a spec"
            return f"`{text}` cannot stand in {name} outside strings and comments"
        shown = f"`{text}`" if text.isprintable() else f"U+{ord(text[0]):04X}"
        if not self.meant.strip():
            return f"this is {shown}, not a plain space"
        return f"{shown} only looks like `{self.meant}`"

    def marks(self) -> tuple[Mark, ...]:
        text = self.at.text
        if text[0] == "\t":
            return (Mark(self.at, f"and {len(self.more)} more in this file" if self.more else ""),)
        codes = " ".join(f"U+{ord(c):04X}" for c in text if not c.isascii())
        note = codes if len(text) <= 2 else f"holds {codes}"
        return Mark(self.at, note), *(Mark(span) for span in self.more)

    def why(self) -> str:
        if self.at.text[0] == "\t":
            return "a tab is as wide as each editor likes, so columns would differ from reader to reader"
        return "names and marks are ASCII, so that what looks equal is equal"

    def fixes(self) -> tuple[Fix, ...]:
        if self.meant is None:
            return (Fix("write it in ASCII, or put it into a string or a comment"),)
        if self.at.text[0] == "\t":
            edits = tuple(Edit(span, "  " * len(span.text)) for span in (self.at, *self.more))
            return (Fix("write two spaces", edits, "safe"),)
        if not self.meant.strip():
            text = "" if self.at.text in "\ufeff\u200b\u200c\u200d\u2060" else " "
            say = "write a plain space" if text else "remove it"
            return (Fix(say, (Edit(self.at, text),), "safe"),)
        edits = tuple(Edit(span, self.meant) for span in (self.at, *self.more))
        return (Fix(f"write `{self.meant}`", edits, "safe"),)

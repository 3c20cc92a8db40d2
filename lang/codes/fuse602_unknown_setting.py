"""FUSE602: a word in the configuration of another tool that the tool itself does not know."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import listing, respell


@dataclass(frozen=True)
class UnknownSetting(Diagnostic, code="FUSE602"):
    """A configuration of another tool holds a word that means nothing there.

    Most tools read past such a word: a misspelt `densty` leaves the density at its default, and the merge
    that comes out was never asked for. An import reports it, because the author believed in it.

    ```console
    $ fusec import mergekit merge.yml
    error[FUSE602]: mergekit has no parameter `densty`
      --> merge.yml:6:7
       |
     6 |       densty: 0.5
       |       ^^^^^^ closest: `density`
    ```

    Spelt right, or left out, the rest can be translated:

    ```console
    $ fusec import mergekit merge.yml -o merge.fuse
    ```
    """

    tool: str
    what: str  # what kind of word it would be: "parameter", "key of a slice", "merge method"
    word: str
    at: Span
    known: tuple[str, ...]

    def title(self) -> str:
        return f"{self.tool} has no {self.what} `{self.word}`"

    def marks(self) -> tuple[Mark, ...]:
        nearest = closest(self.word, self.known)
        return (Mark(self.at, f"closest: `{nearest}`" if nearest else ""),)

    def why(self) -> str:
        return "a word that is read past leaves a default in force that nobody asked for"

    def fixes(self) -> tuple[Fix, ...]:
        nearest = closest(self.word, self.known)
        return (respell(self.at, self.word, nearest),) if nearest else (Fix("leave it out"),)

    def see(self) -> str:
        return f"known here: {listing(self.known, most=20)}"

"""FUSE401: a seeded step without a seed."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import first_slot

DIFFERENT = {
    "sample": "choose different rows",
    "shuffle": "give different orders",
    "split": "draw different lines between the parts",
    "mix": "choose different rows",
    "init": "start from different weights",
    "finetune": "train different models",
}


@dataclass(frozen=True)
class NeedsSeed(Diagnostic, code="FUSE401"):
    """A step that draws random numbers is given no seed.

    The result of a step depends on its slots, its inputs and its seed, and on nothing else. A seed taken
    from the clock would give another result on each run, and nobody could say which one was published.
    One `param seed = 17` serves the whole file: every seeded step takes it, each with a stream of its
    own. `--set seed=18` then repeats everything with other luck.

    ```fuse fails
    edition 2026

    data few from "fixture:pairs"
      |> sample { rows: 100 }

    output few to "./out/few"
    ```

    ```fuse
    edition 2026

    param seed = 17

    data few from "fixture:pairs"
      |> sample { rows: 100 }

    output few to "./out/few"
    ```
    """

    verb: str
    at: Span  # the verb

    def title(self) -> str:
        return f"`{self.verb}` needs a seed"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at),)

    def why(self) -> str:
        return f"without a seed two runs of this spec {DIFFERENT.get(self.verb, 'give different results')}"

    def fixes(self) -> tuple[Fix, ...]:
        say = "add `param seed = 17` to the file (all seeded steps take it),\nor `seed: 17` to this step"
        return (Fix(say, (first_slot(self.at, "seed: 17"),), "safe"),)

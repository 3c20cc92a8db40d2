"""The page about selectors, from the tables that the parser reads by."""

from __future__ import annotations

from collections.abc import Iterator

from fusec.cli.query.select import KINDS, STATES
from fusec.cli.query.selector import ABOUT, FUNCTIONS

Section = tuple[str, str]

EXAMPLES = (
    ("expert[*]", "every member of the family `expert`; `expert` alone means the same"),
    ("model and not source", "models that the spec makes"),
    ("merge or finetune", "the steps of two verbs"),
    ("new report", "reports that the store lacks; a space is `and`"),
    ("descendants(steps)", "what another `--set steps=...` would change"),
    ("ancestors(merged) source", "the sources that go into `merged`"),
    ("inputs(check)", "what the checks look at"),
    ("model and not ancestors(output)", "models that reach no output"),
    ("name:model", "the declaration called `model`, should there be one"),
)
"""Selectors with what they choose; a test reads each of them against a spec that has these names."""


LEAD = "What `fusec query SPEC SELECTOR` lists: sets of declarations and nodes, in one line of text."


def selectors() -> Iterator[Section]:
    kinds, states = (", ".join(f"`{word}`" for word in words) for words in (KINDS, STATES))
    yield (
        "Words",
        "A word selects by name where the spec has that name, else by kind, by verb or by state.\n"
        f"{', '.join(f'`{about}:x`' for about in ABOUT)} say which is meant.\n\n"
        "- **Names** as `fusec plan` shows them. `*` stands for any letters, brackets for themselves; a "
        "family is all its members, a used file all that it makes.\n"
        "  Checks are called by their condition, outputs by their place; quotes hold a name with spaces.\n"
        f"- **Kinds**: {kinds}.\n- **Verbs** by their name; `source` is whatever comes from outside.\n"
        f"- **States**: {states}, as the store beside the spec has it.",
    )
    functions = "\n".join(f"| `{name}(x)` | {what} |" for name, what in FUNCTIONS.items())
    yield (
        "Functions",
        f"| function | for each member of a set `x` |\n|---|---|\n{functions}\n\n"
        "A set is not among its own ancestors or descendants unless one member is made from another. "
        "Results\ndepend on each other key by key; whatever mentions a `param`, `let` or `target` "
        "in its text counts as\nmade from it.",
    )
    yield (
        "Sets",
        "`not` binds tightest, then `and` (a space is one too), then `or`; parentheses group.",
    )
    rows = "\n".join(f"| `{selector}` | {what} |" for selector, what in EXAMPLES)
    yield "Examples", f"| selector | chooses |\n|---|---|\n{rows}"

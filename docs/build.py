"""Write `docs/reference/` from the declarations: verbs, methods, diagnostics.

The same pages as `fusec explain`, in Markdown. A test holds the files in the repository against them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from fusec.cli.pages import code_page, method_page, verb_page
from fusec.compiler.step import family_names, find_verb, methods_of, verb_names
from fusec.lang.diagnostics import all_codes

REFERENCE = Path(__file__).with_name("reference")
NOTE = "<!-- Written by docs/build.py from the declarations; edit those. -->"


def pages() -> dict[str, str]:
    """File name to text."""
    return {
        "verbs.md": _page("Verbs", "Braces cost: each of these is work in the plan.", _verbs()),
        "methods.md": _page("Methods", "Parentheses are free: values that say how a verb works.", _methods()),
        "diagnostics.md": _page("Diagnostics", "What fusec says, by code; `fusec explain CODE`.", _codes()),
    }


def main() -> None:
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}: {len(text.splitlines())} lines")


def _page(title: str, lead: str, sections: Iterator[tuple[str, str]]) -> str:
    parts = [f"# {title}", NOTE, lead, *(f"## {name}\n\n{body}" for name, body in sections)]
    return "\n\n".join(parts) + "\n"


def _verbs() -> Iterator[tuple[str, str]]:
    for name in verb_names():
        verb = find_verb(name)
        assert verb is not None
        yield f"`{name}`", _declared(verb, verb_page(verb))


def _methods() -> Iterator[tuple[str, str]]:
    for family in family_names():
        for name, method in methods_of(family).items():
            yield f"`{name}` of `{family}`", _declared(method, method_page(method))


def _codes() -> Iterator[tuple[str, str]]:
    for code, cls in all_codes().items():
        # The docstring is Markdown already; "fuse fails" is a note for our tests.
        yield code, code_page(cls).split("\n\n", 1)[1].replace("```fuse fails", "```fuse")


def _declared(cls: type, page: str) -> str:
    """Docstring as prose, what follows it (slots, grade) as a table set in fixed width."""
    manual = inspect.cleandoc(cls.__doc__ or "")
    _, _, rest = page.partition(manual)
    rest = rest.strip("\n")
    return f"{manual}\n\n```text\n{rest}\n```" if rest else manual


if __name__ == "__main__":
    main()

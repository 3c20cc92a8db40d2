"""Write `docs/messages.md`: what fusec says to three specs that cannot work, drawn by the compiler itself.

A test holds the file in the repository against this script.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fusec.compiler.check import check
from fusec.lang.parse import parse
from fusec.lang.render import in_order, render
from fusec.lang.source import Source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from recovery import facts

PAGE = Path(__file__).with_name("messages.md")
NOTE = "<!-- Written by docs/messages.py; edit the specs there. -->"
LEAD = (
    "A spec is read, checked and priced before anything runs, so most mistakes cost seconds. A message\n"
    "names both parties of a quarrel, says why it is one, and offers the next step; a fix marked `[safe]`\n"
    "is certain. Here are three, as a terminal shows them."
)

BASE = 'edition 2026\n\nmodel base from "fixture:llama-a"\nmodel math from "fixture:llama-a-math"\n'
OUTPUT = '\noutput both to "./both"\n'

SPECS = (
    (
        "A bracket that is never closed",
        "The list shows where it should have ended, and the rest of the spec is read as meant.",
        """
model both = merge {
  base: base
  experts: [base, math
  method: average
}
""",
    ),
    (
        "Two models that share no coordinates",
        "Found from the headers of the checkpoints, before a byte of their weights is read.",
        """
model law from "fixture:llama-b"

model both = merge {
  base: base
  experts: [math, law]
  method: average
}
""",
    ),
    (
        "A slot that does not exist",
        "Runners that drop what they do not know train for a night with the default.",
        """
model both = merge {
  base: base
  experts: [math]
  method: average
  expert_read: 24 GB
}
""",
    ),
)


def page() -> str:
    """The text of `messages.md`."""
    parts = ["# Three messages", NOTE, LEAD]
    for title, lead, middle in SPECS:
        text = BASE + middle + OUTPUT
        problems = in_order(check(parse(Source("both.fuse", text)), facts, {}).problems)
        drawn = "\n".join(map(render, problems))
        parts.append(f"## {title}\n\n{lead}\n\n```fuse\n{text}```\n\n```text\n{drawn}```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"docs/messages.md: {len(page().splitlines())} lines")

"""Write `docs/reference/`: what `fusec docs` writes, in the place where the repository keeps it."""

from __future__ import annotations

from pathlib import Path

from fusec.cli.reference.pages import pages

REFERENCE = Path(__file__).with_name("reference")


def main() -> None:
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()

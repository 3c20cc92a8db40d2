"""The page about writing a package shows the package that these tests install, file for file."""

import re
from pathlib import Path

SHOWN = re.compile(r"`([\w./]+)`\n\n```\w+\n(.*?)```\n", re.S)
SPEC = re.compile(r"```fuse\n(.*?)```\n", re.S)


def test_the_page_shows_the_files_that_are_tested(root: Path, source: Path) -> None:
    shown = dict(SHOWN.findall((root / "docs/extending.md").read_text()))
    files = {p.relative_to(source).as_posix(): p.read_text() for p in source.rglob("*.*") if p.stat().st_size}
    written = {name: text for name, text in files.items() if name.endswith((".py", ".toml"))}
    assert shown == written


def test_its_spec_runs(root: Path, fusec, site: Path, spec: Path, tmp_path: Path) -> None:
    (text,) = SPEC.findall((root / "docs/extending.md").read_text())
    spec.write_text(text)
    assert fusec("fmt", "--check", "notes.fuse").returncode == 0
    assert fusec("run", "notes.fuse", site=site).returncode == 0
    assert "NOTE 4!!" in (tmp_path / "out/loud.jsonl").read_text()

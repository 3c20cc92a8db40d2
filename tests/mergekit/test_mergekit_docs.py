"""The example in the documentation is what the command prints."""

import re
from pathlib import Path


def test_the_example_is_current(root: Path, translated) -> None:
    page = (root / "docs/import-mergekit.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)
    (spec,) = re.findall(r"^```fuse\n(.*?)^```", page, re.M | re.S)
    assert translated(text).spec == spec

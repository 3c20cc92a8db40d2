"""Keys and values of a TOML file are found where they stand, whatever looks like one."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.source import Source
from fusec.runtime.toml_places import places

TRAPS = '''\
# rows = 1
text = """
rows = 2
[table]
ends in a quote""""
raw = \'\'\'
rows = 3 \'\'\'
list = [ # rows = 4
  "]", { rows = 5 },
]
dotted.rows = 6
"two words" = 'a # b' # no value
rows = 1979-05-27T07:32:00Z
[table.inner]
rows = 8
[[tables]]
rows = 9
'''


def test_every_key_of_the_top_level_has_its_place() -> None:
    found = places(Source("p.toml", TRAPS))
    lines = {name: place.name.position.line for name, place in found.items()}
    assert lines == {
        "text": 2,
        "raw": 6,
        "list": 8,
        "dotted": 11,
        "two words": 12,
        "rows": 13,
        "table": 14,
        "tables": 16,
    }
    assert found["rows"].value.text == "1979-05-27T07:32:00Z"
    assert found["two words"].value.text == "'a # b'"
    assert found["table"].value == found["table"].name


strings = st.text(st.characters(codec="utf-8", exclude_characters="\x7f", exclude_categories=["Cc", "Cs"]))
quoted = strings.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
scalars = quoted | st.integers(-(10**9), 10**9).map(str) | st.sampled_from(["true", "-1.5e3", "'#]'", "''"])
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[ # [\n" + ", ".join(items) + " ]")
        | inner.map(lambda item: f"{{ a = {item} }}".replace("\n", " ").replace("# [", ""))
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.from_regex(r"[a-z_-]{1,5}", fullmatch=True), values, max_size=4))
def test_what_stands_at_a_place_is_its_value(file: dict[str, str]) -> None:
    text = "".join(f"{name} = {value} # {name} = 0\n" for name, value in file.items())
    whole = tomllib.loads(text)
    found = places(Source("p.toml", text))
    assert found.keys() == whole.keys()
    for name, place in found.items():
        assert place.name.text == name
        assert tomllib.loads(f"v = {place.value.text}")["v"] == whole[name]

"""The card is front matter the Hub reads and tables that people read."""

import pytest
import yaml

from fusec.runtime.model_card import CardStep, write_card

LINEAGE = [
    CardStep(name="base", verb="from", slots={"source": "hf:acme/base"}),
    CardStep(
        name="merged",
        verb="merge",
        method="ties(density: 0.5)",
        slots={"keep": 'a | "b"', "dtype": "bf16"},
        inputs=["base", "law"],
    ),
]
METRICS = {"law": {"loss": 1.5, "tokens": 12000}, "average": {"loss": 1.25, "tokens": 20000}}


@pytest.fixture
def card(tmp_path):
    def write(**given):
        write_card(tmp_path, **{"name": "generalist", "lineage": LINEAGE} | given)
        return (tmp_path / "README.md").read_text(encoding="utf-8")

    return write


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_front_matter(card):
    text = card(license="apache-2.0", base_model=['acme/base: "odd" é'])
    assert front(text) == {
        "library_name": "transformers",
        "license": "apache-2.0",
        "base_model": ['acme/base: "odd" é'],
        "tags": ["fusec", "merge"],
    }


def test_what_is_unknown_is_left_out(card):
    text = card(lineage=LINEAGE[:1])
    assert front(text) == {"library_name": "transformers", "tags": ["fusec"]}
    assert "Results" not in text


def test_tables(card):
    body = card(metrics=METRICS).split("---\n", 2)[2]
    assert body == (
        "\n# generalist\n\nMade by fusec from a declarative spec.\n\n## Lineage\n\n"
        "| name | verb | method | from | slots |\n"
        "|---|---|---|---|---|\n"
        "| base | from |  |  | source: hf:acme/base |\n"
        '| merged | merge | ties(density: 0.5) | base, law | dtype: bf16, keep: a \\| "b" |\n'
        "\n## Results\n\n"
        "| data | loss | tokens |\n"
        "|---|---|---|\n"
        "| law | 1.5000 | 12,000 |\n"
        "| average | 1.2500 | 20,000 |\n"
    )

"""What messages say of written types and addresses: words that a reader can act on."""

import pytest
import world

HEAD = 'edition 2026\nparam seed = 17\ndata text from "fixture:text"\nmodel base from "fixture:llama-a"\n'


@pytest.mark.parametrize(
    ("line", "title"),
    [
        (
            "tokenizer words: Tokenizer[50] = train_tokenizer { data: text, vocab: 300 }",
            "`words` is Tokenizer[300], its written type wants a Tokenizer[50]",
        ),
        (
            "data some: Data[Data] = text",
            "`Data` is no row type, its written type wants columns such as `{text: Str}`",
        ),
        (
            "data parts: Map[{text: Str}] = text |> split { test: 10% }",
            "`{text: Str}` is no kind, its written type wants Data",
        ),
    ],
)
def test_what_a_written_type_lacks(line: str, title: str) -> None:
    (problem,) = (one for one in world.problems_of(HEAD + line + "\n") if one.level == "error")
    assert problem.title() == title


def test_a_place_that_only_models_have_is_not_suggested_for_data() -> None:
    text = HEAD + 'data rows from "https://llm.example.org/rows.jsonl"\n'
    (problem,) = (one for one in world.problems_of(text) if one.level == "error")
    assert problem.code == "FUSE110"
    assert "https" not in problem.fixes()[0].say + problem.see()

"""`language(x)`: the language of a text, by a naive Bayes model over its bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from fusec.runtime.kernel import RunError

UNDETERMINED = "und"
"""What ISO 639 calls a language nobody can tell, here for texts that are too short."""


def languages(texts: list[str], model: str) -> list[str]:
    """The code of each text's language: two letters of ISO 639-1 where it has them, else three.

    `model` is the package and version that the plan was made for, `py3langid 0.4.0`: another version may
    answer otherwise, so it is refused.
    """
    identify = _identifier(model)
    return [identify(text) for text in texts]


@lru_cache(maxsize=1)
def _identifier(model: str) -> Callable[[str], str]:
    package, _, wanted = model.partition(" ")
    try:
        found = version(package)
    except PackageNotFoundError:
        raise RunError(
            f"`language` needs the package {model}, which is not installed",
            hint="install it with `pip install 'fusec[language]'`",
        ) from None
    if found != wanted:
        raise RunError(
            f"FUSE407: the plan wants `language` of {model}, installed is {found}",
            hint=f"`pip install {package}=={wanted}`, or plan again with the fusec that goes with {found}",
        )
    from py3langid.langid import MODEL_FILE, RAW_FLOOR, LanguageIdentifier

    classify = LanguageIdentifier.from_model_file(MODEL_FILE).classify

    def identify(text: str) -> str:
        language, score = classify(text)
        return language if score > RAW_FLOOR else UNDETERMINED

    return identify

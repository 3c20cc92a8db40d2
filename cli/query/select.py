"""Which items a selector means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from fusec.cli.query.items import Item, Items, is_called, without_keys
from fusec.cli.query.selector import ABOUT, FUNCTIONS, Along, BadSelector, Both, Either, Not, Selector, Word
from fusec.lang.diagnostics import closest
from fusec.lang.lexer import KINDS as RESULTS

KINDS = (*RESULTS, "param", "let", "target", "budget", "check", "output")
STATES = ("stored", "new")

States = Callable[[], Mapping[str, str]]
"""The state of each node by name, `stored` or `new`; asked for only by selectors that speak of states."""


def select(selector: Selector, among: Items, states: States) -> list[Item]:
    """The chosen items in the order of the text. Raises `BadSelector` for a word that means nothing here."""
    chosen = _Choice(among, states).of(selector)
    return [item for number, item in enumerate(among.items) if number in chosen]


class _Choice:
    """Sets of positions, as a selector builds them up."""

    def __init__(self, among: Items, states: States) -> None:
        self.items, self.needs = among
        self.all = frozenset(range(len(self.items)))
        self._ask_states = states

    def of(self, selector: Selector) -> frozenset[int]:
        match selector:
            case Word():
                return self._word(selector)
            case Not():
                return self.all - self.of(selector.of)
            case Both():
                return self.of(selector.left) & self.of(selector.right)
            case Either():
                return self.of(selector.left) | self.of(selector.right)
            case Along():
                return self._along(selector.function, self.of(selector.of))

    # --- dependencies ---------------------------------------------------------------------

    def _along(self, function: str, start: frozenset[int]) -> frozenset[int]:
        """One step, or as many as there are, against the direction of work or along it."""
        edges = self.needs if function in ("inputs", "ancestors") else self.users
        once = function in ("inputs", "uses")
        found: set[int] = set()
        front = set(start)
        while front:
            front = {other for n in front for other in edges[n]} - found
            found |= front
            if once:
                break
        return frozenset(found)

    @cached_property
    def users(self) -> Sequence[set[int]]:
        users: list[set[int]] = [set() for _ in self.items]
        for number, needs in enumerate(self.needs):
            for need in needs:
                users[need].add(number)
        return users

    # --- words ----------------------------------------------------------------------------

    def _word(self, word: Word) -> frozenset[int]:
        for about in (word.about,) if word.about else ABOUT:
            found = self._by(about, word)
            if found is not None:
                return found
        raise BadSelector(word.at, self._unknown(word), self._hint(word))

    def _by(self, about: str, word: Word) -> frozenset[int] | None:
        """What the word means as a name, kind, verb or state; None where it is none."""
        text = word.text
        match about:
            case "name":
                found = frozenset(n for n, item in enumerate(self.items) if _is_called(item, text))
                return found if found or "*" in text else None
            case "kind":
                known = text in KINDS
                return (
                    frozenset(n for n, item in enumerate(self.items) if item.kind == text) if known else None
                )
            case "verb":
                found = frozenset(n for n, item in enumerate(self.items) if _does(item.verb, text))
                return found if found or _is_verb(text) else None
            case _:
                if text not in STATES:
                    return None
                states = self._ask_states()
                return frozenset(n for n, item in enumerate(self.items) if states.get(item.name) == text)

    def _unknown(self, word: Word) -> str:
        if word.about:
            return f"nothing here has the {word.about} `{word.text}`"
        return f"`{word.text}` is no name, kind, verb or state here"

    def _hint(self, word: Word) -> str:
        names = [item.name for item in self.items if item.kind not in ("check", "output")]
        families = {without_keys(name) for name in names}
        verbs = {item.verb for item in self.items if item.verb}
        words = {"name": {*names, *families}, "kind": set(KINDS), "verb": verbs, "state": set(STATES)}
        known = words[word.about] if word.about else {*set().union(*words.values()), *FUNCTIONS}
        near = closest(word.text, known)
        return f"close to `{near}`" if near else "`fusec query SPEC '*'` lists everything"


def _is_called(item: Item, text: str) -> bool:
    """Conditions and places look like names of members, and have none."""
    plain = item.kind in ("check", "output") and "*" not in text
    return item.name == text if plain else is_called(item.name, text)


def _does(verb: str, text: str) -> bool:
    """`source` is every kind of source."""
    return bool(verb) and text in (verb, verb.partition(".")[0] if verb.startswith("source.") else verb)


def _is_verb(text: str) -> bool:
    from fusec.compiler.step import verb_names

    return text == "source" or text in verb_names()

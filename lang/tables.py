"""The parse tables of grammar.lark: made by lark when the grammar changes, only read when fusec runs.

Lark needs 150 ms to load and to build them, half of what a whole `fusec check` may take, and a cache
would need a disk to write to. So they are kept beside the grammar, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLES = Path(__file__).with_name("grammar.json")
STARTS = ("decl", "expr", "type")
END = "$END"


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """`takes` has one letter per symbol: k keep, s splice, d drop; n puts None for an absent option."""

    origin: str
    action: str
    size: int
    takes: str


class Tables(msgspec.Struct, frozen=True):
    """A state maps a symbol to the state after it, or to `-1 - rule` when a rule ends before it."""

    starts: dict[str, int]
    ends: dict[str, int]
    tokens: frozenset[str]
    rules: tuple[Rule, ...]
    states: tuple[dict[str, int], ...]


def load() -> Tables:
    return msgspec.json.decode(TABLES.read_bytes(), type=Tables)


def build(grammar: str) -> Tables:
    """Equal tables for equal grammars: rules are sorted and states numbered as they are reached."""
    from lark import Lark
    from lark.grammar import Terminal
    from lark.lexer import Lexer, PatternStr
    from lark.parsers.lalr_analysis import Shift

    class NoLexer(Lexer):
        def __init__(self, conf: Any) -> None: ...

        def lex(self, lexer_state: Any, parser_state: Any) -> Any:
            return iter(())  # only the tables are wanted

    made: Any = Lark(grammar, parser="lalr", start=list(STARTS), lexer=NoLexer)
    table = made.parser.parser._parse_table
    spelled = {t.name: str(t.pattern.value) for t in made.terminals if isinstance(t.pattern, PatternStr)}

    def takes(rule: Any) -> str:
        absent = [len(ones) for ones in "".join("01"[hole] for hole in rule.options.empty_indices).split("0")]
        letters = []
        for i, symbol in enumerate(rule.expansion):
            letters.append("n" * absent[i] if rule.options.empty_indices else "")
            dropped = isinstance(symbol, Terminal) and symbol.filter_out
            letters.append("d" if dropped else "s" if symbol.name.startswith("_") else "k")
        return "".join(letters) + "n" * (absent[-1] if rule.options.empty_indices else 0)

    def plain(rule: Any) -> Rule:
        passes = rule.origin.name.startswith("_") or (rule.options.expand1 and not rule.alias)
        action = "" if passes else str(rule.alias or rule.origin.name)
        assert action or rule.origin.name.startswith("_") or takes(rule).count("k") == 1
        return Rule(str(rule.origin.name), action, len(rule.expansion), takes(rule))

    def key(rule: Any) -> tuple[str, ...]:
        return rule.origin.name, *(symbol.name for symbol in rule.expansion)

    rules = sorted(made.rules, key=key)
    number = {key(rule): i for i, rule in enumerate(rules)}

    order = {table.start_states[start]: i for i, start in enumerate(STARTS)}
    states: list[dict[str, int]] = []
    queue = list(order)
    for old in queue:
        new: dict[str, int] = {}
        for symbol, (act, arg) in sorted(table.states[old].items()):
            name = str(spelled.get(symbol, symbol))
            if act is Shift:
                if arg not in order:
                    order[arg] = len(order)
                    queue.append(arg)
                new[name] = order[arg]
            else:
                new[name] = -1 - number[key(arg)]
        states.append(new)
    symbols = {symbol for state in states for symbol in state}
    return Tables(
        {start: order[table.start_states[start]] for start in STARTS},
        {start: order[table.end_states[start]] for start in STARTS},
        frozenset(symbols - {rule.origin.name for rule in rules} - {END}),
        tuple(map(plain, rules)),
        tuple(states),
    )


def main() -> None:
    rows = msgspec.json.encode(build(GRAMMAR.read_text(encoding="utf-8")), order="deterministic")
    TABLES.write_bytes(rows.replace(b"],[", b"],\n[").replace(b"},{", b"},\n{") + b"\n")


if __name__ == "__main__":
    main()

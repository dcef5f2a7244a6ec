"""Sentences that callers say, drawn from the grammars in `data/` for a language model to count.

Knows the notation of the grammars and where an agent's own phrases go; knows nothing of audio or engines.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

import yaml

Choice = tuple["Node", ...]
Node = str | tuple["Alternatives"]  # a word or rule reference, or a nested choice


class Alternatives:
    """Weighted sequences, one of which is said."""

    __slots__ = ("cumulative", "sequences")

    def __init__(self, weighted: Sequence[tuple[float, Choice]]) -> None:
        self.sequences = [sequence for _, sequence in weighted]
        total = 0.0
        self.cumulative = [total := total + weight for weight, _ in weighted]


_TOKEN = re.compile(r"\{\w+\}|[()\[\]|]|[^\s()\[\]|{}]+")
_WEIGHT = re.compile(r"(\d+)\*(.*)", re.DOTALL)


def parse(text: str) -> Choice:
    """One line of a grammar: words, `{rule}`, `(a|b)`, `[optional]`. Raises ValueError when it is unbalanced."""
    tokens = _TOKEN.findall(text)
    branches, rest = _branches(tokens, 0, "")
    if rest != len(tokens):
        raise ValueError(f"unbalanced bracket in {text!r}")
    return branches[0] if len(branches) == 1 else ((Alternatives([(1, b) for b in branches]),),)


def _branches(tokens: list[str], at: int, closing: str) -> tuple[list[Choice], int]:
    branches: list[Choice] = []
    sequence: list[Node] = []
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in "([":
            inner, at = _branches(tokens, at, ")" if token == "(" else "]")
            optional: list[Choice] = [()] * len(inner) if token == "[" else []
            sequence.append((Alternatives([(1, b) for b in inner + optional]),))
        elif token == "|":
            branches.append(tuple(sequence))
            sequence = []
        elif token in ")]":
            if token != closing:
                raise ValueError(f"unexpected {token!r}")
            return [*branches, tuple(sequence)], at
        else:
            sequence.append(token)
    if closing:
        raise ValueError(f"missing {closing!r}")
    return [*branches, tuple(sequence)], at


def _weighted(line: str) -> tuple[float, Choice]:
    match = _WEIGHT.match(line)
    return (float(match[1]), parse(match[2])) if match else (1.0, parse(line))


class Grammar:
    """Rules by name, and a way to draw sentences from one of them."""

    def __init__(self, rules: dict[str, Sequence[str]]) -> None:
        self._rules = {
            f"{{{name}}}": Alternatives([_weighted(line) for line in lines]) for name, lines in rules.items()
        }

    def draw(self, rule: str, count: int, seed: int) -> Iterator[tuple[str, ...]]:
        """`count` random sentences of `rule`, the same ones for the same seed."""
        chance = random.Random(seed)
        start = self._rules[f"{{{rule}}}"]
        for _ in range(count):
            words: list[str] = []
            self._say(start, words, chance)
            yield tuple(words)

    def _say(self, alternatives: Alternatives, words: list[str], chance: random.Random) -> None:
        (sequence,) = chance.choices(alternatives.sequences, cum_weights=alternatives.cumulative)
        for node in sequence:
            if not isinstance(node, str):
                self._say(node[0], words, chance)
            elif node[0] == "{":
                self._say(self._rules[node], words, chance)
            else:
                words.append(node)


def data_text(name: str) -> str:
    return files("pipelines.speech").joinpath("data", name).read_text(encoding="utf-8")


@cache
def shipped_rules() -> dict[str, tuple[str, ...]]:
    rules: dict[str, tuple[str, ...]] = {}
    for name in ("caller.yaml", "spoken.yaml"):
        for rule, lines in yaml.load(data_text(name), Loader=yaml.BaseLoader).items():
            rules[rule] = tuple(lines)
    rules["FIRST"] = _common_first(data_text("first_names.txt").split())
    rules["LAST"] = _common_first(data_text("last_names.txt").split())
    return rules


def _common_first(words: list[str]) -> tuple[str, ...]:
    """The lists are ordered by how common a name is: the first hundreds are said more often."""
    return tuple(f"{4 if rank < 150 else 2 if rank < 350 else 1}*{word}" for rank, word in enumerate(words))


def grammar(topics: Sequence[str]) -> Grammar:
    """The shipped grammars with `{TOPIC}` said as one of `topics`, or as a shipped service when there are none."""
    rules: dict[str, Sequence[str]] = dict(shipped_rules())
    rules["TOPIC"] = tuple(topics) or ("{service}",)
    return Grammar(rules)

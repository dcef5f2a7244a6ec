"""Word lists as data, one set per language, and how a text is searched for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

import msgspec

from pipelines.brain.tokens import fold, tokens

_SENTENCES = re.compile(r"(?<=[.!?…])\s+|\n+")


class Concept(msgspec.Struct, frozen=True, array_like=True):
    """Something that calls are about: its topic (the same in all languages), its keyword, and how people say it."""

    topic: str
    keyword: str
    forms: tuple[str, ...]


class WordLists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`moods`: weights of -3…3 and the words that have them; a negator turns what follows round, an intensifier
    multiplies it. An agent's sentence with something of `promising` and of `promised` is a promise. `agent_names`: how
    transcripts that others send call the agent. `purposes` are sentences by intent."""

    moods: dict[float, tuple[str, ...]]
    negators: frozenset[str]
    intensifiers: dict[str, float]
    concepts: tuple[Concept, ...]
    complaining: tuple[str, ...]
    asking: tuple[str, ...]
    promising: tuple[str, ...]
    promised: tuple[str, ...]
    requesting: tuple[str, ...]
    agent_names: frozenset[str]
    stopwords: frozenset[str]
    purposes: dict[str, str]
    phrases: dict[str, str]


class Search:
    """Which of some forms are in a text. A "*" at an end of a form stands for any letters."""

    def __init__(self, forms: Iterable[str]) -> None:
        either = "|".join(sorted((_pattern(form) for form in forms), key=len, reverse=True))
        self._pattern = re.compile(rf"(?<!\S)(?:{either})(?!\S)")

    def found(self, joined: str) -> bool:
        """`joined`: tokens with a blank between."""
        return self._pattern.search(joined) is not None

    def count(self, joined: str) -> int:
        return sum(1 for _ in self._pattern.finditer(joined))


def _pattern(form: str) -> str:
    before, after = form.startswith("*"), form.endswith("*")
    words = re.escape(" ".join(tokens(form.strip("*"))))
    return (r"\S*" if before else "") + words + (r"\S*" if after else "")


class Language(msgspec.Struct, frozen=True):
    """The lists of a language, ready to search with. All words are folded as `tokens` folds them."""

    code: str
    lists: WordLists
    moods: dict[tuple[str, ...], float]
    intensifiers: dict[tuple[str, ...], float]
    negators: frozenset[str]
    stopwords: frozenset[str]
    concepts: tuple[tuple[Concept, Search], ...]
    complaining: Search
    asking: tuple[str, ...]
    promising: Search
    promised: Search
    requesting: Search


@cache
def languages() -> dict[str, Language]:
    import yaml  # when the first call is over, not when the server starts

    raw = resources.files("voicecore.services.analysis").joinpath("words.yaml").read_bytes()
    known = msgspec.convert(yaml.safe_load(raw), dict[str, WordLists], strict=False)
    return {code: _ready(code, lists) for code, lists in known.items()}


def _ready(code: str, lists: WordLists) -> Language:
    return Language(
        code=code,
        lists=lists,
        moods={tokens(word): weight for weight, words in lists.moods.items() for word in words},
        intensifiers={tokens(word): factor for word, factor in lists.intensifiers.items()},
        negators=frozenset(fold(word) for word in lists.negators),
        stopwords=frozenset(fold(word) for word in lists.stopwords),
        concepts=tuple((concept, Search(concept.forms)) for concept in lists.concepts),
        complaining=Search(lists.complaining),
        asking=tuple(" ".join(tokens(form)) for form in lists.asking),
        promising=Search(lists.promising),
        promised=Search(lists.promised),
        requesting=Search(lists.requesting),
    )


def spoken(texts: Iterable[str], otherwise: str) -> Language:
    """The language in which most of the small words are; `otherwise` (an agent's, "de-AT") where that says nothing."""
    known = languages()
    usual = known.get(otherwise[:2].lower(), known["en"])
    words = [word for text in texts for word in tokens(text)]
    counts = {code: sum(word in language.stopwords for word in words) for code, language in known.items()}
    best = max(counts, key=lambda code: counts[code])
    return known[best] if counts[best] > counts[usual.code] else usual


def sentences(text: str) -> Iterator[str]:
    for part in _SENTENCES.split(text):
        if stripped := part.strip():
            yield stripped

"""Ranks knowledge articles for a caller's question. Pure: where articles are kept is not its business.

Scores are comparable between queries (0..1): the share of the question's information that an article's
title, tags or example wordings cover, weighted by how rare a word is among the articles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from rapidfuzz import fuzz, process

from pipelines.brain.ports import KnowledgeHit
from pipelines.brain.tokens import tokens, word_list


class Article(msgspec.Struct, frozen=True):
    """`questions` are wordings that callers use; they count as much as the title."""

    id: str
    title: str
    content: str
    tags: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


# Words without information about the subject, English and German.
_STOP = frozenset(
    word_list("""
    a an the and or of to in on at for with is are am be do does did can could would will i i'd i'm you your we
    our it its it's this that there what what's how when where which who please me my have has if so any some tell
    about want like need know get hello hi uh um the hey may shall should was just from also
    der die das ein eine einen und oder ist sind haben sie ich wir ihr ihre mein meine es was wie wo wann kann man
    gibt bei mir mich bitte auch zu zum zur mit von fuer im in am auf den dem hallo welche etwas morgen""")
)
_SAME = 88.0  # rapidfuzz ratio above which two words are one word misheard or inflected
_CONTENT_WEIGHT = 0.35  # a word that stands only in the answer's text


def stem(word: str) -> str:
    """Strips the commonest endings, enough to join "parking" with "park" and "dogs" with "dog"."""
    for ending in ("ing", "ies", "es", "s", "en", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _subject(text: str) -> list[str]:
    return [stem(word) for word in tokens(text) if word not in _STOP]


class KnowledgeIndex:
    """An immutable index over a handful to a few thousand articles; a query takes well under a millisecond."""

    def __init__(self, articles: Sequence[Article]) -> None:
        self._articles = tuple(articles)
        self._heads = [[frozenset(_subject(t)) for t in (a.title, *a.questions)] for a in articles]
        self._tags = [frozenset(_subject(" ".join(a.tags))) for a in articles]
        self._bodies = [frozenset(_subject(a.content)) for a in articles]
        self._wordings = [(" ".join(tokens(t)), n) for n, a in enumerate(articles) for t in (a.title, *a.questions)]
        self._postings: dict[str, set[int]] = {}
        for number, (heads, tags) in enumerate(zip(self._heads, self._tags, strict=True)):
            for word in tags.union(*heads):
                self._postings.setdefault(word, set()).add(number)

    def search(self, query: str, limit: int = 3) -> list[KnowledgeHit]:
        """Best first; articles that share nothing with the question are left out."""
        words = [self._known(word) for word in dict.fromkeys(_subject(query))]
        alike = self._alike(query)
        weights = {word: self._rarity(word) for word in words}
        total = sum(weights.values())
        scored = []
        for number, article in enumerate(self._articles):
            score = max(self._score(number, weights, total), alike.get(number, 0.0))
            if score > 0.0:
                scored.append(KnowledgeHit(article.id, article.title, article.content, round(score, 3)))
        return sorted(scored, key=lambda hit: -hit.score)[:limit]

    def _alike(self, query: str) -> dict[int, float]:
        """Articles one of whose wordings is nearly the whole question; "where are you" has no other clue."""
        asked = " ".join(tokens(query))
        texts = [text for text, _ in self._wordings]
        near = process.extract(asked, texts, scorer=fuzz.ratio, score_cutoff=_SAME, limit=5)
        return {self._wordings[place][1]: ratio / 100 for _, ratio, place in reversed(near)}

    def _known(self, word: str) -> str:
        """The index's own word for a misheard or inflected one."""
        if word in self._postings or len(word) < 4:
            return word
        best = max(self._postings, key=lambda known: fuzz.ratio(word, known), default=word)
        return best if fuzz.ratio(word, best) >= _SAME else word

    def _rarity(self, word: str) -> float:
        found = len(self._postings.get(word, ()))
        if not found:
            return 0.6  # a word no article knows: noise of the recogniser, or another subject
        return 0.5 + math.log(1 + len(self._articles) / found)

    def _score(self, number: int, weights: dict[str, float], total: float) -> float:
        tags, body = self._tags[number], self._bodies[number]
        everywhere = frozenset[str]().union(*self._heads[number]) | tags
        covered = sum(
            weight if word in everywhere else _CONTENT_WEIGHT * weight if word in body else 0.0
            for word, weight in weights.items()
        )
        if covered == 0.0 or total == 0.0:
            return 0.0
        closest = max((_overlap(head, weights) for head in self._heads[number]), default=0.0)
        return min(1.0, 0.65 * covered / total + 0.35 * closest)


def _overlap(head: frozenset[str], weights: dict[str, float]) -> float:
    """Share of one example wording that the question contains."""
    return sum(word in weights for word in head) / len(head) if head else 0.0

"""How well an article answers a question: 0…1, comparable between questions and collections.

Three views of an article are compared with the content words of the question: its example questions, its
subject (title and tags) and its text. A rare word counts more than a common one, a misheard word counts
when it is spelled nearly alike, and words of the question that nobody knows lower the score. Pure: where
articles are kept is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from rapidfuzz import fuzz

from pipelines.brain.ports import KnowledgeHit
from pipelines.brain.words import content_words, tokens

NEARLY_ALIKE = 75  # percent of rapidfuzz's ratio from which two stems of 4+ letters may be one word
SAME_WORDING = 78  # percent from which a question counts as an example question by its wording alone,
SAME_EMPTY_WORDING = 75  # and when it has no telling word
SUBJECT_WEIGHT, TEXT_WEIGHT = 0.95, 0.72
UNKNOWN_WEIGHT = 0.75  # a word that no article has: half small talk, half another subject


class Article(msgspec.Struct, frozen=True):
    """`questions` are wordings that callers use."""

    id: str
    title: str
    content: str
    tags: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    category: str = ""


class _Views(msgspec.Struct):
    wordings: list[str]
    questions: list[list[str]]
    subject: list[str]
    text: list[str]
    known: set[str]


def _views(article: Article) -> _Views:
    questions = [content_words(question) for question in article.questions]
    subject = content_words(article.title + " " + " ".join(article.tags) + " " + article.category)
    text = content_words(article.content)
    wordings = [" ".join(tokens(question)) for question in article.questions]
    return _Views(wordings, questions, subject, text, {*subject, *text, *(w for q in questions for w in q)})


def likeness(one: str, other: str) -> float:
    """0…1: is this the same word, perhaps misheard, or a part of a compound?"""
    if one == other:
        return 1.0
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < 4:
        return 0.0
    if len(longer) >= 8 and len(shorter) >= 5 and shorter in longer:
        return 0.8  # "zeit" is too short, "parken" in "parkenplatz" is not
    ratio = fuzz.ratio(one, other)
    return ratio / 100 * 0.9 if ratio >= NEARLY_ALIKE else 0.0


def _best(word: str, words: Sequence[str]) -> float:
    return max((likeness(word, other) for other in words), default=0.0)


def _wording(asked: str, views: _Views, least: float) -> float:
    """A question without a telling word ("how do I get there") may still be an example's very wording."""
    alike = max((fuzz.ratio(asked, wording) for wording in views.wordings), default=0.0)
    return alike / 100 * 0.9 if alike >= least else 0.0


class KnowledgeIndex:
    """Scores questions against one collection of articles; building it costs, asking is cheap."""

    def __init__(self, articles: Sequence[Article]) -> None:
        self._articles = articles
        self._views = [_views(article) for article in articles]
        vocabulary: dict[str, int] = {}
        for views in self._views:
            for word in views.known:
                vocabulary[word] = vocabulary.get(word, 0) + 1
        self._documents = vocabulary

    def _rarity(self, word: str) -> float:
        """1 for a word of one article, falling towards 0.35 for a word that most have."""
        seen = self._documents.get(word, 1)
        return max(0.35, 1 / (1 + math.log(seen)))

    def _weights(self, words: list[str]) -> dict[str, float]:
        weights = {}
        for word in words:
            known = word in self._documents or _best(word, list(self._documents)) > 0
            weights[word] = self._rarity(word) if known else UNKNOWN_WEIGHT
        return weights

    def _coverage(self, weights: dict[str, float], words: Sequence[str]) -> float:
        total = sum(weights.values())
        return sum(weight * _best(word, words) for word, weight in weights.items()) / total if total else 0.0

    def _score(self, weights: dict[str, float], views: _Views) -> float:
        if not weights:
            return 0.0
        best = SUBJECT_WEIGHT * self._coverage(weights, views.subject)
        best = max(best, TEXT_WEIGHT * self._coverage(weights, views.text))
        everything = self._coverage(weights, list(views.known))
        for question in views.questions:
            if not question:
                continue
            asked = self._coverage(weights, question)
            meant = sum(self._rarity(w) * _best(w, list(weights)) for w in question)
            meant /= sum(self._rarity(w) for w in question)
            if asked and meant:
                best = max(best, 2 * asked * meant / (asked + meant))
        return min(1.0, max(best, 0.5 * best + 0.45 * everything))

    def search(self, query: str, limit: int = 3) -> list[KnowledgeHit]:
        """Best first; articles that share nothing with the question are left out."""
        wording = " ".join(tokens(query))
        weights = self._weights(content_words(query))
        least = SAME_WORDING if weights else SAME_EMPTY_WORDING
        scored = [
            KnowledgeHit(article.id, article.title, article.content, round(score, 4))
            for article, views in zip(self._articles, self._views, strict=True)
            if (score := max(self._score(weights, views), _wording(wording, views, least))) > 0
        ]
        return sorted(scored, key=lambda hit: -hit.score)[:limit]

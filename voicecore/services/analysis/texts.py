"""How the writer of one text feels, what it turns on, and what to do about it: the word lists of the call analysis."""

from __future__ import annotations

import re
from itertools import groupby

import msgspec

from pipelines.brain.tokens import fold, tokens
from voicecore.domain.analyses import label
from voicecore.domain.calls import Sentiment
from voicecore.services.analysis.mood import LONGEST, text_score
from voicecore.services.analysis.words import Language, sentences, spoken

MOST_PHRASES = 6
CLEARLY = 0.5  # a score beyond which a mood is no nuance any more
SURE = 0.6  # the least confidence of a judgement
EMERGENCY, HUMAN = "emergency", "human"
_NAMED = frozenset({"time"})  # says little alone, and is part of what it follows: response time
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ACTIONS = {
    "high": "Escalate to senior support agent",
    "medium": "Apologize, and offer a solution before the end of the day",
    Sentiment.POSITIVE: "Thank the customer, and ask for a review",
    Sentiment.NEUTRAL: "Answer in the usual order",
}


class TextMood(msgspec.Struct, frozen=True, kw_only=True):
    """`score` -1…1, `confidence` 0…1; `urgency` is low, medium or high."""

    sentiment: Sentiment
    score: float
    confidence: float
    key_phrases: tuple[str, ...]
    urgency: str
    suggested_action: str


def read_text(text: str, language: str = "en") -> TextMood:
    """`language` is for texts that do not show theirs."""
    known = spoken([text], language)
    score = text_score(text, language)
    sentiment = label(score)
    topics = _topics(text, known)
    urgency = _urgency(score, sentiment, topics)
    # Where nothing says how somebody feels, that he feels nothing is a guess.
    sure = SURE + (1 - SURE) * abs(score)
    return TextMood(
        sentiment=sentiment,
        score=score,
        confidence=round(sure, 2),
        key_phrases=_phrases(text, known),
        urgency=urgency,
        suggested_action=_action(urgency, sentiment, topics),
    )


def _topics(text: str, known: Language) -> set[str]:
    joined = " ".join(tokens(text))
    return {concept.topic for concept, search in known.concepts if search.found(joined)}


def _urgency(score: float, sentiment: Sentiment, topics: set[str]) -> str:
    if EMERGENCY in topics or score <= -CLEARLY:
        return "high"
    return "medium" if sentiment is Sentiment.NEGATIVE or HUMAN in topics else "low"


def _action(urgency: str, sentiment: Sentiment, topics: set[str]) -> str:
    if EMERGENCY in topics:
        return "Call back at once"
    if HUMAN in topics and sentiment is not Sentiment.NEGATIVE:
        return "Have a colleague call back"
    return _ACTIONS.get(urgency) or _ACTIONS[sentiment]


def _phrases(text: str, known: Language) -> tuple[str, ...]:
    """The words that carry the mood, then what stands together, then what stands alone."""
    moods: list[str] = []
    groups: list[str] = []
    single: list[str] = []
    for sentence in sentences(text):
        words = _WORD.findall(sentence)
        moved = _moved(words, known)
        plain: list[str | None] = []
        for index, word in enumerate(words):
            names = bool(plain and plain[-1]) and fold(word) in _NAMED
            plain.append(None if index in moved or (_small(word, known) and not names) else word)
        for filled, run in groupby(plain, key=lambda word: word is not None):
            found = [word.lower() for word in run if word is not None]
            if filled:
                (groups if len(found) > 1 else single).append(" ".join(found[:LONGEST]))
        moods += [words[index].lower() for index in sorted(moved)]
    return tuple(dict.fromkeys([*moods, *groups, *single]))[:MOST_PHRASES]


def _small(word: str, known: Language) -> bool:
    folded = fold(word)
    return len(word) < 4 or folded in known.stopwords or folded in known.negators or (folded,) in known.intensifiers


def _moved(words: list[str], known: Language) -> set[int]:
    """Where words stand that have a mood of their own, manners aside."""
    folded = [fold(word) for word in words]
    found: set[int] = set()
    for index in range(len(folded)):
        for length in range(LONGEST, 0, -1):
            if abs(known.moods.get(tuple(folded[index : index + length]), 0.0)) > 0.5:
                found |= set(range(index, min(index + length, len(folded))))
                break
    return found

"""What a finished call was about and how it went: one analysis per call, from which every surface reads its part."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from voicecore.domain.calls import Sentiment

Score = Annotated[float, Meta(ge=-1, le=1)]
LONGEST_KEYWORD = 80  # characters
NEUTRAL_BELOW = 0.15  # a score nearer to zero is no judgement


class Method(StrEnum):
    WORDS = "words"  # word lists and the call's own records
    MODEL = "model"  # the agent's language model


def label(score: float) -> Sentiment:
    """The word for a score of -1…1."""
    if abs(score) < NEUTRAL_BELOW:
        return Sentiment.NEUTRAL
    return Sentiment.POSITIVE if score > 0 else Sentiment.NEGATIVE


class Keyword(msgspec.Struct, frozen=True, kw_only=True):
    """`score` is the mood of what was said about it, -1…1; `sentiment` is the word for it."""

    keyword: str
    sentiment: Sentiment = Sentiment.NEUTRAL
    score: Score = 0.0


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """`quality_score` is 1 (bad) to 5; `talk_time_ratio` the agent's share of all speech, None where nothing was
    measured; `structured_outputs` what was settled, as data. `trouble`: why the model was not used although the agent
    asks for it, "" when it was or was not asked for. `keywords` are in the order of their weight."""

    uid: str
    seq: int = 0
    organization_uid: str
    call_uid: str
    method: Method = Method.WORDS
    trouble: str = ""
    language: str = "en"
    summary: str = ""
    action_items: tuple[str, ...] = ()
    keywords: tuple[Keyword, ...] = ()
    topics: tuple[str, ...] = ()
    intent: str = ""
    sentiment: Sentiment = Sentiment.NEUTRAL
    sentiment_score: Score = 0.0
    quality_score: Annotated[int, Meta(ge=1, le=5)] = 3
    talk_time_ratio: float | None = None
    structured_outputs: dict[str, Any] = {}
    created_at: datetime


class KeywordCount(msgspec.Struct, frozen=True, kw_only=True):
    """In how many calls a keyword came up, by the mood in which it did; `score` is the mean, -1…1."""

    keyword: str
    positive: int
    neutral: int
    negative: int
    score: float
    last_at: datetime

    @property
    def count(self) -> int:
        return self.positive + self.neutral + self.negative


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls have something in common. All shares of one list are of the same `total`."""

    name: str
    count: int
    total: int

    @property
    def fraction(self) -> float:
        return self.count / self.total if self.total else 0.0

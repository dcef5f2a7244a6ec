"""This surface's ids, clock and vocabulary: core facts ↔ the words of the document."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from pipelines.errors import NotFound
from voicecore.api.kit import Exchange
from voicecore.domain.calls import Sentiment


def naive(at: datetime) -> str:
    """ "2025-12-26T10:30:00": UTC in whole seconds, without saying so."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def known_uid(text: str, missing: str) -> str:
    """An id as we keep it. What is no uuid names nothing: raises NotFound."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFound(missing) from error


def path_uid(exchange: Exchange, name: str, missing: str) -> str:
    return known_uid(exchange.path(name), missing)


def sentiment_word(sentiment: Sentiment | None) -> str:
    """Nobody's judgement is a neutral one, so that the three counts add up to all calls."""
    return (sentiment or Sentiment.NEUTRAL).value.upper()


def percent(fraction: float) -> float:
    return round(100 * fraction, 1)

"""This surface's ids, clock and vocabulary: core facts ↔ the words of the document."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from msgspec import Meta

from pipelines.errors import NotFound, ValidationError
from voicecore.api.kit import Exchange
from voicecore.api.parsing import INVALID

BASE = "/api/v2/portal"
Given = Annotated[str, Meta(min_length=1)]
MOST = 2**31 - 1  # what an integer column holds


def z(at: datetime) -> str:
    """ "2025-01-10T10:30:00Z": whole seconds, as the document shows them."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_z(at: datetime | None) -> str | None:
    return None if at is None else z(at)


def percent(fraction: float) -> float:
    return round(100 * fraction, 1)


def path_seq(exchange: Exchange, name: str, missing: str) -> int:
    """An integer id of the path. What is no such number names nothing: raises NotFound."""
    text = exchange.path(name)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MOST):
        raise NotFound(missing)
    return int(text)


def optional_day(name: str, text: str | None) -> date | None:
    """A date like "2025-01-31" in the member `name`. Raises ValidationError."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise ValidationError(INVALID, ((name, "must be a date like 2025-01-31"),)) from error
    if not 1900 <= day.year <= 9000:
        raise ValidationError(INVALID, ((name, "must be a date like 2025-01-31"),))
    return day

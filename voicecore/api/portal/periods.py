"""The time that figures are of, from the words of a request: what it is, and what it is compared with."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from pipelines.errors import ValidationError
from voicecore.api.parsing import INVALID
from voicecore.api.portal.lookups import Number
from voicecore.api.portal.words import optional_day
from voicecore.domain import instants, periods
from voicecore.domain.calendar import Span

MOST_DAYS = 3660
PeriodWord = Literal["today", "week", "month", "quarter", "year", "custom"]


class PeriodQuery(msgspec.Struct, kw_only=True):
    """Days of the company's clock, both included; `custom` needs both dates. Weeks begin on Monday."""

    period: PeriodWord | None = None
    date_from: str | None = None
    date_to: str | None = None
    branch_id: Number | None = None
    compare: bool = False


class Time(msgspec.Struct, frozen=True):
    word: str
    span: Span
    before: Span
    tz: ZoneInfo


def time_of(query: PeriodQuery, tz: ZoneInfo) -> Time:
    """Two dates without a word are a custom period; nothing is this month. Raises ValidationError."""
    first, last = optional_day("date_from", query.date_from), optional_day("date_to", query.date_to)
    if query.period == "custom" or (query.period is None and (first or last)):
        if first is None or last is None:
            missing = (("date_from", first), ("date_to", last))
            raise ValidationError(INVALID, tuple((name, "required") for name, day in missing if day is None))
        if last < first:
            raise ValidationError(INVALID, (("date_to", "must not be before date from"),))
        if (last - first).days >= MOST_DAYS:
            raise ValidationError(INVALID, (("date_to", f"must be at most {MOST_DAYS} days after date from"),))
        return Time("custom", periods.days(first, last, tz), periods.same_length_before(first, last, tz), tz)
    word, now = periods.Word(query.period or "month"), instants.now()
    minute = now.replace(second=0, microsecond=0)  # two questions within one are the same
    return Time(word.value, periods.so_far(word, now, tz), periods.before(word, minute, tz), tz)

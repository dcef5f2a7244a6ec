"""Stretches of a calendar by the words that people use for them, and what came before. Pure: now is an argument."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from voicecore.domain.calendar import Span
from voicecore.domain.instants import day_start


class Word(StrEnum):
    TODAY = "today"
    WEEK = "week"  # from Monday
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def first_day(word: Word, today: date) -> date:
    """Of the day, week … that `today` is in."""
    if word is Word.WEEK:
        return today - timedelta(days=today.weekday())
    if word is Word.MONTH:
        return today.replace(day=1)
    if word is Word.QUARTER:
        return today.replace(month=today.month - (today.month - 1) % 3, day=1)
    return today.replace(month=1, day=1) if word is Word.YEAR else today


def days(first: date, last: date, tz: ZoneInfo) -> Span:
    """Both included."""
    return Span(day_start(first, tz), day_start(last + timedelta(days=1), tz))


def so_far(word: Word, now: datetime, tz: ZoneInfo) -> Span:
    """From its first day to the end of today."""
    today = now.astimezone(tz).date()
    return days(first_day(word, today), today, tz)


def before(word: Word, now: datetime, tz: ZoneInfo) -> Span:
    """The same part of the day, week … before: to compare with `so_far`."""
    today = now.astimezone(tz).date()
    first = first_day(word, today)
    earlier = first_day(word, first - timedelta(days=1))
    begin, end = day_start(earlier, tz), day_start(first, tz)
    return Span(begin, min(end, begin + (now - day_start(first, tz))))


def same_length_before(first: date, last: date, tz: ZoneInfo) -> Span:
    """As many days, up to the one before `first`."""
    length = last - first
    return days(first - timedelta(days=1) - length, first - timedelta(days=1), tz)

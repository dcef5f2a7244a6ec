"""What a caller's words say about days and times, before any business rule is applied.

Knows calendars and clocks; refuses to know opening hours, appointments or the dialogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

import msgspec

Tokens = Sequence[str]


class Half(StrEnum):
    """Which half of the day a twelve-hour reading belongs to."""

    AM = "am"
    PM = "pm"


class DayKind(StrEnum):
    EXACT = "exact"  # today, tomorrow, in two weeks, 2026-12-04
    WEEKDAY = "weekday"
    MONTH_DAY = "month_day"
    WEEK = "week"  # a whole week: "next week"


class DayMention(msgspec.Struct, frozen=True):
    """One thing said about a day. `day` is its resolution; for WEEK the Monday of that week."""

    kind: DayKind
    day: date | None
    weekday: int | None = None
    past: bool = False


class Relation(StrEnum):
    AT = "at"
    AFTER = "after"
    BEFORE = "before"


class ClockMention(msgspec.Struct, frozen=True):
    """A time of day as said: `half` is None when "three" may be 03:00 or 15:00."""

    hour: int
    minute: int
    half: Half | None = None
    relation: Relation = Relation.AT

    def readings(self) -> tuple[time, ...]:
        """Both possible times, or the only one."""
        if self.half is not None:
            hour = self.hour % 12 + (12 if self.half is Half.PM else 0)
            return (time(hour if self.hour <= 12 else self.hour % 24, self.minute),)
        if self.hour > 12 or self.hour == 0:
            return (time(self.hour % 24, self.minute),)
        return (time(self.hour % 12, self.minute), time(self.hour % 12 + 12, self.minute))


class PartMention(msgspec.Struct, frozen=True):
    """A part of the day, [after, before)."""

    after: time
    before: time
    half: Half


class SoonestMention(msgspec.Struct, frozen=True):
    """ "As soon as possible", "the next free one", "any time"."""


Mention = DayMention | ClockMention | PartMention | SoonestMention
Found = tuple[Mention, int]  # and how many tokens it took
Rule = Callable[[Tokens, int, date, bool], Found | None]

MORNING = PartMention(time(0), time(12), Half.AM)
AFTERNOON = PartMention(time(12), time(18), Half.PM)
EVENING = PartMention(time(17), time(23, 59), Half.PM)


def coming_weekday(today: date, weekday: int, *, next_week: bool = False) -> date:
    """The first such weekday after today; with `next_week` the one in the calendar week after this."""
    if next_week:
        monday = today + timedelta(days=7 - today.weekday())
        return monday + timedelta(days=weekday)
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


_FARTHEST_DAYS = 300  # nobody makes an appointment for that long ahead without saying the year


def month_day(today: date, day: int, month: int | None, year: int | None) -> DayMention | None:
    """The next such calendar day; None when there is none. A year said in full may lie in the past."""
    if year is not None and month is not None:
        resolved = _valid(year, month, day)
        if resolved is None:
            return None
        return DayMention(DayKind.MONTH_DAY, resolved, past=resolved < today)
    for step in range(60):
        months = today.month - 1 + step
        at_year, at_month = today.year + months // 12, months % 12 + 1
        if month is not None and at_month != month:
            continue
        resolved = _valid(at_year, at_month, day)
        if resolved is not None and resolved >= today:
            just_over = month is not None and (resolved - today).days > _FARTHEST_DAYS
            return DayMention(DayKind.MONTH_DAY, resolved, past=just_over)
    return None


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def local(day: date, clock: time, zone: tzinfo | None) -> datetime:
    """Wall-clock time in a zone. A time that a clock change skips is moved forward by the gap (PEP 495)."""
    wall = datetime.combine(day, clock, tzinfo=zone)
    if zone is None:
        return wall
    return wall.astimezone(UTC).astimezone(zone)

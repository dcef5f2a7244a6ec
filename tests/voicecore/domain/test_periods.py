"""Words for stretches of a calendar, at their edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from voicecore.domain.instants import clock
from voicecore.domain.periods import Word, before, days, first_day, same_length_before, so_far

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("word", "today", "first"),
    [
        (Word.TODAY, "2026-03-01", "2026-03-01"),
        (Word.WEEK, "2026-03-01", "2026-02-23"),  # a Sunday
        (Word.WEEK, "2026-03-02", "2026-03-02"),
        (Word.MONTH, "2026-02-28", "2026-02-01"),
        (Word.QUARTER, "2026-03-31", "2026-01-01"),
        (Word.QUARTER, "2026-12-31", "2026-10-01"),
        (Word.QUARTER, "2026-05-31", "2026-04-01"),
        (Word.YEAR, "2026-12-31", "2026-01-01"),
    ],
)
def test_first_days(word: Word, today: str, first: str) -> None:
    assert first_day(word, date.fromisoformat(today)) == date.fromisoformat(first)


def test_days_are_those_of_the_clock_on_the_wall() -> None:
    spring = days(date(2026, 3, 29), date(2026, 3, 29), BERLIN)
    assert spring.end - spring.start == timedelta(hours=23)
    assert spring.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
    late = so_far(Word.TODAY, datetime(2026, 6, 1, 22, 30, tzinfo=UTC), BERLIN)
    assert late.start == datetime(2026, 6, 1, 22, tzinfo=UTC)  # it is tomorrow there


def test_the_clock_is_changed_twice_a_year() -> None:
    year = days(date(2026, 1, 1), date(2026, 12, 31), BERLIN)
    spring, autumn = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert clock(year.start, year.end, BERLIN) == [(spring, 3600), (autumn, 7200), (year.end, 3600)]
    assert clock(year.start, year.end, ZoneInfo("Asia/Kolkata")) == [(year.end, 19800)]


def test_what_came_before_is_as_long_as_what_has_passed() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    february = before(Word.MONTH, now, ZoneInfo("UTC"))
    assert february.start == datetime(2026, 2, 1, tzinfo=UTC)
    assert february.end == datetime(2026, 3, 1, tzinfo=UTC)
    early = before(Word.MONTH, datetime(2026, 3, 3, 12, tzinfo=UTC), ZoneInfo("UTC"))
    assert early.end == datetime(2026, 2, 3, 12, tzinfo=UTC)
    assert before(Word.TODAY, now, ZoneInfo("UTC")).end == datetime(2026, 3, 30, 12, tzinfo=UTC)
    assert before(Word.QUARTER, now, ZoneInfo("UTC")).start == datetime(2025, 10, 1, tzinfo=UTC)
    assert before(Word.YEAR, now, ZoneInfo("UTC")).start == datetime(2025, 1, 1, tzinfo=UTC)
    three = same_length_before(date(2026, 1, 2), date(2026, 1, 4), ZoneInfo("UTC"))
    assert (three.start, three.end) == (datetime(2025, 12, 30, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

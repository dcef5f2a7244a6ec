"""Free slots across the days on which clocks change, and around what is booked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from voicecore.domain.calendar import OpeningHours, Span, free_slots, open_windows

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def hours(opens: int, closes: int) -> list[OpeningHours]:
    return [
        OpeningHours(organization_uid="o", business_uid="b", weekday=day, opens=opens, closes=closes)
        for day in range(7)
    ]


def test_hours_follow_the_wall_clock_through_both_changes() -> None:
    for day, utc_hour in ((date(2026, 3, 28), 8), (date(2026, 3, 29), 7), (date(2026, 10, 25), 8)):
        (window,) = open_windows(hours(9 * 60, 17 * 60), day, day, BERLIN)
        assert window.start == datetime(day.year, day.month, day.day, utc_hour, tzinfo=UTC)
        assert window.end - window.start == timedelta(hours=8)


def test_the_night_of_the_change_is_as_long_as_it_really_is() -> None:
    (spring,) = open_windows(hours(0, 1440), date(2026, 3, 29), date(2026, 3, 29), BERLIN)
    (autumn,) = open_windows(hours(0, 1440), date(2026, 10, 25), date(2026, 10, 25), BERLIN)
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)
    slots = free_slots([spring], [], 60, not_before=LONG_AGO, limit=99)
    assert all(slot.end - slot.start == timedelta(hours=1) for slot in slots)


def test_slots_avoid_what_is_booked_and_the_past() -> None:
    start = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    window = Span(start, start + timedelta(hours=3))
    booked = Span(start + timedelta(minutes=60), start + timedelta(minutes=90))
    slots = free_slots([window], [booked], 30, not_before=start + timedelta(minutes=10), limit=99)
    assert [(slot.start - start).seconds // 60 for slot in slots] == [30, 90, 120, 150]
    assert free_slots([window], [], 181, not_before=LONG_AGO, limit=9) == []
    assert len(free_slots([window], [], 30, not_before=LONG_AGO, limit=2)) == 2

"""Appointments and the one function that says what is free. Pure: rows in, slots out, no clock of its own.

Windows are built from local opening hours day by day, then everything is counted in UTC, so that a slot
lasts as long as it says on the two days a year when the clocks change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

MINUTES_A_DAY = 1440


class AppointmentStatus(StrEnum):
    SCHEDULED = "scheduled"
    CONFIRMED = "confirmed"
    RESCHEDULED = "rescheduled"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"  # the only one that frees its time


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Staff, room or chair: one appointment at a time."""

    uid: str
    seq: int = 0
    organization_uid: str
    business_uid: str
    external_id: str
    name: str
    active: bool = True


class Service(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    seq: int = 0
    organization_uid: str
    business_uid: str
    external_id: str
    name: str
    minutes: int
    price: float | None = None


class OpeningHours(msgspec.Struct, frozen=True, kw_only=True):
    """Local wall-clock minutes since midnight; `closes` may be 1440. Weekday 0 is Monday."""

    organization_uid: str
    business_uid: str
    weekday: int
    opens: int
    closes: int


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """`customer_name` and `customer_phone` are as given for this appointment; `service` is the service's name, or any
    other words; `price` is what the service cost when it was booked."""

    uid: str
    seq: int = 0
    organization_uid: str
    business_uid: str
    external_id: str
    customer_uid: str | None = None
    customer_id: str = ""
    customer_name: str = ""
    customer_phone: str = ""
    resource_uid: str
    resource_id: str = ""
    service: str = ""
    service_uid: str | None = None
    price: float | None = None
    starts_at: datetime
    ends_at: datetime
    status: AppointmentStatus = AppointmentStatus.SCHEDULED
    notes: str = ""
    source: str = ""
    cancel_reason: str = ""
    call_uid: str | None = None
    call_id: str = ""
    created_at: datetime


class AppointmentCard(Appointment, frozen=True, kw_only=True):
    """With what its staff member, service and customer are called now. `customer_seq` and `service_seq` are None where
    nobody and nothing on our lists is meant."""

    business_seq: int
    resource_seq: int
    resource_name: str
    customer_seq: int | None = None
    known_name: str = ""
    known_phone: str = ""
    service_seq: int | None = None
    service_minutes: int | None = None


class AppointmentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; None does not narrow. Start times: `from_at` included, `before_at` not."""

    business_uid: str | None = None
    from_at: datetime | None = None
    before_at: datetime | None = None
    statuses: tuple[AppointmentStatus, ...] = ()
    resource_id: str | None = None
    customer_id: str | None = None
    call_uid: str | None = None
    phone: str | None = None
    uid: str | None = None
    resource_uid: str | None = None
    service_uid: str | None = None
    customer_uid: str | None = None
    customer_text: str | None = None  # part of a name or of a number


class Span(msgspec.Struct, frozen=True, order=True):
    """A stretch of time in UTC, its end not included."""

    start: datetime
    end: datetime

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end

    def covers(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end


def _local(day: date, minutes: int, tz: ZoneInfo) -> datetime:
    day += timedelta(days=minutes // MINUTES_A_DAY)
    minutes %= MINUTES_A_DAY
    return datetime.combine(day, time(minutes // 60, minutes % 60), tz).astimezone(UTC)


def open_windows(hours: Iterable[OpeningHours], first: date, last: date, tz: ZoneInfo) -> list[Span]:
    """When the business is open from `first` to `last`, both included, in order."""
    by_day: dict[int, list[OpeningHours]] = {}
    for row in hours:
        by_day.setdefault(row.weekday, []).append(row)
    windows: list[Span] = []
    day = first
    while day <= last:
        for row in by_day.get(day.weekday(), []):
            window = Span(_local(day, row.opens, tz), _local(day, row.closes, tz))
            if window.start < window.end:
                windows.append(window)
        day += timedelta(days=1)
    return sorted(windows)


def step_minutes(minutes: int) -> int:
    """How far apart offered starts are: half-hourly, quarter-hourly for short appointments."""
    return 30 if minutes >= 30 else 15


def free_slots(
    windows: Sequence[Span], busy: Iterable[Span], minutes: int, *, not_before: datetime, limit: int
) -> list[Span]:
    """Starts on the step grid of each opening that leave `minutes` free, earliest first, at most `limit`."""
    length, step = timedelta(minutes=minutes), timedelta(minutes=step_minutes(minutes))
    taken = sorted(busy)
    slots: list[Span] = []
    for window in windows:
        start = window.start
        if start < not_before:  # jump over the past instead of walking through it
            start += step * -((start - not_before) // step)
        while start + length <= window.end and len(slots) < limit:
            slot = Span(start, start + length)
            if not any(slot.overlaps(other) for other in taken):
                slots.append(slot)
            start += step
    return slots

"""How a company's trade goes: calls, bookings and revenue of a time, of one branch or of all, and their spread."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from voicecore.domain import instants
from voicecore.domain.calendar import Span
from voicecore.domain.calls import CallFilter, CallStatus, Outcome
from voicecore.domain.trade import Booked, BookedBy, BookedFilter, By, Trade
from voicecore.storage import bookings, figures, spreads
from voicecore.storage.database import Database

NOTHING = Booked()


class Scope(msgspec.Struct, frozen=True):
    """Of which organization and time; None: all of it, every branch."""

    organization_uid: str
    span: Span | None = None
    business_uid: str | None = None

    def calls(self) -> CallFilter:
        """The finished calls that began then."""
        return CallFilter(
            statuses=(CallStatus.ENDED,),
            business_uid=self.business_uid,
            from_at=self.span.start if self.span else None,
            before_at=self.span.end if self.span else None,
        )

    def booked(self) -> BookedFilter:
        return BookedFilter(self.span, self.business_uid)


class CallSpread(msgspec.Struct, frozen=True):
    """Numbers of calls by the clock and the calendar of a time zone. Days are without gaps."""

    days: dict[date, int]
    hours: dict[int, int]  # by the hour of the day, without those that had none


class Trading:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def trade(self, scope: Scope) -> Trade:
        owner = scope.organization_uid
        async with self._database.read() as connection:
            return Trade(
                await figures.totals(connection, owner, scope.calls()),
                await bookings.total(connection, owner, scope.booked()),
            )

    async def outcomes(self, scope: Scope) -> dict[Outcome, int]:
        async with self._database.read() as connection:
            return await figures.outcomes(connection, scope.organization_uid, scope.calls())

    async def booked_by(self, scope: Scope, by: By) -> list[BookedBy]:
        """The largest first."""
        async with self._database.read() as connection:
            return await bookings.grouped(connection, scope.organization_uid, scope.booked(), by)

    async def calls_spread(self, scope: Scope, tz: ZoneInfo) -> CallSpread:
        """Of a scope with a span."""
        _, clock = _calendar(scope, tz)
        async with self._database.read() as connection:
            hours = await spreads.calls_per_hour(connection, scope.organization_uid, scope.calls(), clock)
        return CallSpread(await self.calls_by_day(scope, tz), hours)

    async def calls_by_day(self, scope: Scope, tz: ZoneInfo) -> dict[date, int]:
        """Of a scope with a span, without gaps."""
        days, clock = _calendar(scope, tz)
        async with self._database.read() as connection:
            found = await spreads.calls_per_day(connection, scope.organization_uid, scope.calls(), clock)
        return {day: found.get(day, 0) for day in days}

    async def booked_by_day(self, scope: Scope, tz: ZoneInfo) -> dict[date, Booked]:
        """Of a scope with a span, without gaps."""
        days, clock = _calendar(scope, tz)
        async with self._database.read() as connection:
            found = await spreads.booked_per_day(connection, scope.organization_uid, scope.booked(), clock)
        return {day: found.get(day, NOTHING) for day in days}

    async def revenue_by_month(self, scope: Scope, tz: ZoneInfo) -> dict[date, float]:
        """Of a scope with a span: of each month of it by its first day, without gaps."""
        months: dict[date, float] = {}
        for day, booked in (await self.booked_by_day(scope, tz)).items():
            first = day.replace(day=1)
            months[first] = months.get(first, 0.0) + booked.revenue
        return months


def _calendar(scope: Scope, tz: ZoneInfo) -> tuple[list[date], list[tuple[datetime, int]]]:
    """The days of the span, and the clock in it."""
    assert scope.span is not None
    begin, end = scope.span.start, scope.span.end
    first, last = begin.astimezone(tz).date(), (end - timedelta(microseconds=1)).astimezone(tz).date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return days, instants.clock(begin, end, tz)

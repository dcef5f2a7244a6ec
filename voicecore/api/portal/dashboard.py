"""The portal's home: figures of all time and of the last days, what happened lately, and charts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.figure_shapes import CallDay, Group, Month, calls_by_day, grouped, revenue_by_month
from voicecore.api.portal.lookups import Lookups
from voicecore.api.portal.words import BASE, percent, z
from voicecore.domain import instants, periods
from voicecore.domain.accounts import Permission
from voicecore.domain.calendar import AppointmentCard
from voicecore.domain.calls import Call, Direction
from voicecore.domain.trade import By, change
from voicecore.services.activity_feed import ActivityFeed
from voicecore.services.trading import Scope, Trading

LAST = timedelta(days=29)  # before today
LAST_YEAR = timedelta(days=365)
ACTIVITIES = 10


class PeriodComparison(msgspec.Struct):
    """The last thirty days against the thirty before, in percent."""

    calls_change: float
    appointments_change: float
    revenue_change: float


class Stats(msgspec.Struct, kw_only=True):
    """Totals of all time."""

    total_calls: int
    total_appointments: int
    conversion_rate: float
    revenue: float
    period_comparison: PeriodComparison


class ActivityShape(msgspec.Struct):
    """`id` is unique among all activities; `metadata` has the call's or the appointment's own."""

    id: int
    type: str
    description: str
    timestamp: str
    metadata: dict[str, Any]


class ChartData(msgspec.Struct):
    """Thirty days, all time, and a year."""

    calls_by_day: list[CallDay]
    appointments_by_service: list[Group]
    revenue_by_month: list[Month]


class GoalShape(msgspec.Struct):
    id: int
    name: str
    current_value: float
    target_value: float
    percentage: float


class DashboardResponse(msgspec.Struct):
    stats: Stats
    recent_activity: list[ActivityShape]
    chart_data: ChartData
    goals: list[GoalShape]


class DashboardHandlers:
    def __init__(self, trading: Trading, feed: ActivityFeed, lookups: Lookups) -> None:
        self._trading = trading
        self._feed = feed
        self._lookups = lookups

    async def home(self, exchange: Exchange) -> DashboardResponse:
        owner, tz = exchange.organization_uid, await self._lookups.zone(exchange)
        today = instants.now().astimezone(tz).date()
        lately = Scope(owner, periods.days(today - LAST, today, tz))
        year = Scope(owner, periods.days((today - LAST_YEAR).replace(day=1), today, tz))
        ever = Scope(owner)
        bookings = exchange.who.may(Permission.APPOINTMENTS_VIEW)
        return DashboardResponse(
            await self._stats(ever, lately, Scope(owner, periods.same_length_before(today - LAST, today, tz))),
            [_activity(one) for one in await self._feed.newest(owner, ACTIVITIES, bookings=bookings)],
            ChartData(
                calls_by_day(await self._trading.calls_by_day(lately, tz)),
                grouped(await self._trading.booked_by(ever, By.SERVICE)),
                revenue_by_month(await self._trading.revenue_by_month(year, tz))[-12:],
            ),
            [],  # nobody can have any yet
        )

    async def _stats(self, ever: Scope, lately: Scope, before: Scope) -> Stats:
        total = await self._trading.trade(ever)
        new, old = await self._trading.trade(lately), await self._trading.trade(before)
        return Stats(
            total_calls=total.calls.calls,
            total_appointments=total.booked.count,
            conversion_rate=percent(total.conversion),
            revenue=round(total.booked.revenue, 2),
            period_comparison=PeriodComparison(
                percent(change(new.calls.calls, old.calls.calls)),
                percent(change(new.booked.count, old.booked.count)),
                percent(change(new.booked.revenue, old.booked.revenue)),
            ),
        )

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{BASE}/dashboard",
                handler=self.home,
                summary="How the company is doing",
                tag="Dashboard",
                response=DashboardResponse,
                permission=Permission.CALLS_VIEW,
                retold=True,
            )
        ]


def _activity(one: Call | AppointmentCard) -> ActivityShape:
    at = z(one.created_at)
    if isinstance(one, Call):
        number = one.party_number or "an unknown number"
        status = one.outcome.value if one.outcome else None
        facts: dict[str, Any] = {"call_id": one.seq, "status": status, "duration": round(one.duration_s)}
        if one.direction is Direction.OUTBOUND:
            return ActivityShape(2 * one.seq, "call_made", f"New call to {number}", at, facts)
        return ActivityShape(2 * one.seq, "call_received", f"New call from {number}", at, facts)
    who = one.known_name or one.customer_name or "a customer"
    facts = {"appointment_id": one.seq, "status": one.status.value}
    facts |= {"scheduled_at": z(one.starts_at), "source": one.source}
    what = one.service or "an appointment"
    return ActivityShape(2 * one.seq + 1, "appointment_created", f"{who} booked {what}", at, facts)

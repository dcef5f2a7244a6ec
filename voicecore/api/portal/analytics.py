"""Figures of a time: an overview, and more about calls, appointments and revenue."""

from __future__ import annotations

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.figure_shapes import (
    AppointmentFigures,
    CallFigures,
    Comparison,
    Overview,
    RevenueFigures,
    appointments_by_day,
    calls_by_day,
    charts,
    comparison,
    counts,
    grouped,
    peak_hours,
    revenue_by_month,
    summary,
)
from voicecore.api.portal.lookups import Lookups
from voicecore.api.portal.periods import PeriodQuery, Time, time_of
from voicecore.api.portal.words import BASE, percent
from voicecore.domain.accounts import Permission
from voicecore.domain.calls import Outcome
from voicecore.domain.counted import Counted
from voicecore.domain.trade import By, Trade
from voicecore.services.analyses import Analyses
from voicecore.services.trading import Scope, Trading


class AnalyticsHandlers:
    def __init__(self, trading: Trading, analyses: Analyses, lookups: Lookups) -> None:
        self._trading = trading
        self._analyses = analyses
        self._lookups = lookups

    async def overview(self, exchange: Exchange) -> Overview:
        time, scope = await self.scope(exchange, exchange.query)
        trade = await self._trading.trade(scope)
        return Overview(
            period=time.word,
            summary=summary(trade),
            comparison=await self._compared(exchange, time, scope, trade),
            charts=charts(
                await self._trading.calls_spread(scope, time.tz),
                await self._trading.booked_by(scope, By.SERVICE),
                await self._trading.booked_by(scope, By.BRANCH),
            ),
        )

    async def calls(self, exchange: Exchange) -> CallFigures:
        time, scope = await self.scope(exchange, exchange.query)
        return await self.of_calls(time, scope)

    async def appointments(self, exchange: Exchange) -> AppointmentFigures:
        time, scope = await self.scope(exchange, exchange.query)
        return await self.of_appointments(time, scope)

    async def revenue(self, exchange: Exchange) -> RevenueFigures:
        time, scope = await self.scope(exchange, exchange.query)
        return await self.of_revenue(time, scope)

    async def scope(self, exchange: Exchange, query: PeriodQuery) -> tuple[Time, Scope]:
        """Raises ValidationError."""
        time = time_of(query, await self._lookups.zone(exchange))
        branch = await self._lookups.wanted(exchange, Counted.BRANCH, query.branch_id)
        return time, Scope(exchange.organization_uid, time.span, branch)

    async def _compared(self, exchange: Exchange, time: Time, scope: Scope, trade: Trade) -> Comparison | None:
        if not exchange.query.compare:
            return None
        before = msgspec.structs.replace(scope, span=time.before)
        return comparison(trade, await self._trading.trade(before))

    async def of_calls(self, time: Time, scope: Scope) -> CallFigures:
        totals = (await self._trading.trade(scope)).calls
        ends = await self._trading.outcomes(scope)
        spread = await self._trading.calls_spread(scope, time.tz)
        number = totals.calls
        return CallFigures(
            period=time.word,
            total_calls=number,
            completed_calls=ends.get(Outcome.COMPLETED, 0),
            missed_calls=ends.get(Outcome.MISSED, 0),
            failed_calls=ends.get(Outcome.FAILED, 0),
            success_rate=percent(totals.success_rate),
            total_duration=round(totals.duration_s),
            average_duration=round(totals.duration_s / number, 2) if number else 0.0,
            by_sentiment={"positive": totals.positive, "neutral": totals.neutral, "negative": totals.negative},
            by_intent=counts(await self._analyses.intents(scope.organization_uid, scope.calls())),
            by_agent=counts(await self._analyses.agents(scope.organization_uid, scope.calls())),
            by_day=calls_by_day(spread.days),
            by_hour=peak_hours(spread),
        )

    async def of_appointments(self, time: Time, scope: Scope) -> AppointmentFigures:
        trade = await self._trading.trade(scope)
        by = {kind: await self._trading.booked_by(scope, kind) for kind in By}
        statuses = {row.name: row.count for row in by[By.STATUS]}
        return AppointmentFigures(
            period=time.word,
            total_appointments=trade.booked.count,
            conversion_rate=percent(trade.conversion),
            cancellation_rate=percent(statuses.get("cancelled", 0) / (trade.booked.count or 1)),
            no_show_rate=percent(statuses.get("no_show", 0) / (trade.booked.count or 1)),
            by_status=statuses,
            by_source={row.name: row.count for row in by[By.SOURCE]},
            by_service=grouped(by[By.SERVICE]),
            by_staff=grouped(by[By.STAFF]),
            by_branch=grouped(by[By.BRANCH]),
            by_day=appointments_by_day(await self._trading.booked_by_day(scope, time.tz)),
        )

    async def of_revenue(self, time: Time, scope: Scope) -> RevenueFigures:
        trade = await self._trading.trade(scope)
        return RevenueFigures(
            period=time.word,
            total_revenue=round(trade.booked.revenue, 2),
            average_appointment_value=round(trade.average_value, 2),
            by_month=revenue_by_month(await self._trading.revenue_by_month(scope, time.tz)),
            by_service=grouped(await self._trading.booked_by(scope, By.SERVICE)),
            by_staff=grouped(await self._trading.booked_by(scope, By.STAFF)),
            by_branch=grouped(await self._trading.booked_by(scope, By.BRANCH)),
        )

    def routes(self) -> list[Route]:
        table = (
            ("overview", self.overview, "Calls, appointments and revenue of a time", Overview),
            ("calls", self.calls, "More about the calls of a time", CallFigures),
            ("appointments", self.appointments, "More about what was booked in a time", AppointmentFigures),
            ("revenue", self.revenue, "More about the revenue of a time", RevenueFigures),
        )
        return [
            Route(
                method="GET",
                path=f"{BASE}/analytics/{name}",
                handler=handler,
                summary=text,
                tag="Analytics",
                query=PeriodQuery,
                response=shape,
                permission=Permission.ANALYTICS_VIEW,
                retold=True,
            )
            for name, handler, text, shape in table
        ]

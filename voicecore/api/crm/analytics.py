"""Figures of the call centre, of a period or a span."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from pipelines.errors import ValidationError
from voicecore.api.crm.envelope import One, one
from voicecore.api.crm.words import moment
from voicecore.api.kit import Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.domain import instants
from voicecore.domain.queues import QueueFigures
from voicecore.services.accounts import Accounts
from voicecore.services.call_center import CallCenters

Period = Literal["daily", "weekly", "monthly", "quarterly"]
MONTHS = {"monthly": 1, "quarterly": 3}
DAYS = {"daily": 1, "weekly": 7}


class AnalyticsQuery(msgspec.Struct, kw_only=True):
    """Two dates are a span, the last day included. A period with one date begins or ends there, without one it is the
    current one; weeks begin on Monday. Without anything: all calls."""

    period_type: Period | None = None
    start_date: str | None = None
    end_date: str | None = None


class QueueShape(msgspec.Struct):
    calls: int
    answered: int
    avg_wait: float
    service_level: float


class AnalyticsShape(msgspec.Struct):
    """Times in seconds, means over the answered calls; `service_level` is the fraction of calls that were answered,
    `agent_utilization` the fraction of the agents' time that they were talking."""

    total_calls: int
    answered_calls: int
    abandoned_calls: int
    average_wait_time: float
    average_talk_time: float
    service_level: float
    agent_utilization: float
    queue_performance: dict[str, QueueShape]


class AnalyticsHandlers:
    def __init__(self, centers: CallCenters, accounts: Accounts) -> None:
        self._centers = centers
        self._accounts = accounts

    async def calls(self, exchange: Exchange) -> One[AnalyticsShape]:
        organization = await self._accounts.organization(exchange.who)
        span = _span(exchange.query, instants.zone(organization.timezone), instants.now())
        found = await self._centers.figures(exchange.organization_uid, *span)
        whole = found.whole
        return one(
            AnalyticsShape(
                total_calls=whole.calls,
                answered_calls=whole.answered,
                abandoned_calls=whole.abandoned,
                average_wait_time=round(whole.mean_wait_s, 1),
                average_talk_time=round(whole.mean_talk_s, 1),
                service_level=round(whole.service_level, 2),
                agent_utilization=round(found.utilization, 4),
                queue_performance={name: _queue(figures) for name, figures in found.queues.items()},
            )
        )

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/telephony/analytics",
                handler=self.calls,
                summary="How the calls were answered, altogether and by queue",
                tag="Call analytics",
                query=AnalyticsQuery,
                response=One[AnalyticsShape],
                retold=True,
            )
        ]


def _queue(figures: QueueFigures) -> QueueShape:
    return QueueShape(
        calls=figures.calls,
        answered=figures.answered,
        avg_wait=round(figures.mean_wait_s, 1),
        service_level=round(figures.service_level, 2),
    )


def _span(query: AnalyticsQuery, tz: ZoneInfo, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Raises ValidationError."""
    begin = moment("start_date", query.start_date, tz)
    end = moment("end_date", query.end_date, tz, after=True)
    if begin is not None and end is not None and end <= begin:
        raise ValidationError(INVALID, (("end_date", "before start_date"),))
    if query.period_type is None or (begin is not None and end is not None):
        return begin, end
    if begin is not None:
        return begin, _moved(begin.astimezone(tz), query.period_type, 1)
    if end is not None:
        return _moved(end.astimezone(tz), query.period_type, -1), end
    first = _first(now.astimezone(tz), query.period_type)
    return first, _moved(first, query.period_type, 1)


def _moved(local: datetime, period: Period, times: int) -> datetime:
    """By whole periods of the wall clock; a month without that day ends a little earlier."""
    if period in DAYS:
        return local + timedelta(days=times * DAYS[period])
    months = local.year * 12 + local.month - 1 + times * MONTHS[period]
    year, month = months // 12, months % 12 + 1
    return local.replace(year=year, month=month, day=min(local.day, calendar.monthrange(year, month)[1]))


def _first(local: datetime, period: Period) -> datetime:
    """Of the day, week, month or quarter."""
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "weekly":
        return day - timedelta(days=day.weekday())
    if period == "monthly":
        return day.replace(day=1)
    if period == "quarterly":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day

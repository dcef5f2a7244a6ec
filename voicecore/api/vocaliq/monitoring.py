"""Live figures and figures over time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.words import optional_moment, z
from voicecore.domain import instants
from voicecore.domain.accounts import Organization
from voicecore.domain.monitoring import Bucket
from voicecore.machine import Machine
from voicecore.services.accounts import Accounts
from voicecore.services.monitoring import Grouping, Monitoring

USUAL_GROUPING: dict[str, Grouping] = {"today": "hour", "week": "day", "month": "day", "custom": "day"}


class SystemShape(msgspec.Struct):
    """Percent; calls of the organization."""

    cpu_usage: float
    memory_usage: float
    disk_usage: float
    active_calls: int
    queued_calls: int


class PerformanceShape(msgspec.Struct):
    """Mean seconds of today, 0 without a call."""

    avg_response_time: float
    stt_latency: float
    tts_latency: float
    ai_response_time: float


class BusinessShape(msgspec.Struct):
    """Of today: rates are fractions, durations seconds."""

    calls_today: int
    successful_rate: float
    avg_call_duration: float
    appointments_booked: int


class MetricsResponse(msgspec.Struct):
    system: SystemShape
    performance: PerformanceShape
    business: BusinessShape


class AnalyticsQuery(msgspec.Struct, kw_only=True):
    """`custom` needs both dates, bare ones being whole days in the organization's time zone."""

    period: Literal["today", "week", "month", "custom"] = "today"
    start_date: str | None = None
    end_date: str | None = None
    group_by: Literal["hour", "day", "week"] | None = None


class FiguresShape(msgspec.Struct, kw_only=True):
    """Ended calls; rates are fractions, durations seconds."""

    total_calls: int
    successful_calls: int
    successful_rate: float
    avg_call_duration: float
    appointments_booked: int


class BucketShape(FiguresShape, kw_only=True):
    start: str


class AnalyticsResponse(msgspec.Struct):
    period: str
    group_by: str
    start_date: str
    end_date: str
    summary: FiguresShape
    data: list[BucketShape]


class MonitoringHandlers:
    def __init__(self, monitoring: Monitoring, accounts: Accounts, machine: Machine) -> None:
        self._monitoring = monitoring
        self._accounts = accounts
        self._machine = machine

    async def metrics(self, exchange: Exchange) -> MetricsResponse:
        today = await self._monitoring.today(await self._accounts.organization(exchange.who))
        busy = await asyncio.to_thread(self._machine.busy)
        totals = today.totals
        number = totals.calls or 1
        return MetricsResponse(
            SystemShape(busy.cpu, busy.memory, busy.disk, today.live.active, today.live.queued),
            PerformanceShape(
                _seconds(today.response_ms), _seconds(totals.stt_ms), _seconds(totals.tts_ms), _seconds(totals.llm_ms)
            ),
            BusinessShape(
                totals.calls,
                round(totals.succeeded / number, 4),
                round(totals.duration_s / number, 3),
                today.appointments,
            ),
        )

    async def analytics(self, exchange: Exchange) -> AnalyticsResponse:
        query: AnalyticsQuery = exchange.query
        organization = await self._accounts.organization(exchange.who)
        begin, end = _span(query, organization)
        by = query.group_by or USUAL_GROUPING[query.period]
        series = await self._monitoring.series(organization, begin, end, by)
        return AnalyticsResponse(
            period=query.period,
            group_by=by,
            start_date=z(begin),
            end_date=z(end),
            summary=_figures(series.whole),
            data=[_bucket(bucket) for bucket in series.buckets],
        )

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/monitoring", "Monitoring"
        return [
            Route(
                method="GET",
                path=f"{base}/metrics",
                handler=self.metrics,
                summary="How the machine and the organization are doing now and today",
                tag=tag,
                response=MetricsResponse,
            ),
            Route(
                method="GET",
                path=f"{base}/analytics",
                handler=self.analytics,
                summary="Calls and appointments over time",
                tag=tag,
                query=AnalyticsQuery,
                response=AnalyticsResponse,
                retold=True,
            ),
        ]


def _span(query: AnalyticsQuery, organization: Organization) -> tuple[datetime, datetime]:
    """Weeks begin on Monday, months on the first. Raises ValidationError."""
    tz, now = instants.zone(organization.timezone), instants.now()
    if query.period != "custom":
        today = now.astimezone(tz).date()
        first = {
            "today": today,
            "week": today - timedelta(days=today.weekday()),
            "month": today.replace(day=1),
        }[query.period]
        return instants.day_start(first, tz), instants.day_start(today + timedelta(days=1), tz)
    begin = optional_moment("start_date", query.start_date, tz)
    end = optional_moment("end_date", query.end_date, tz, end_of_day=True)
    missing = [(name, "required") for name, at in (("start_date", begin), ("end_date", end)) if at is None]
    if missing:
        raise ValidationError("Invalid input data", tuple(missing))
    assert begin is not None
    assert end is not None
    if end <= begin:
        raise ValidationError("Invalid input data", (("end_date", "before start_date"),))
    return begin, end


def _figures(bucket: Bucket) -> FiguresShape:
    return FiguresShape(
        total_calls=bucket.calls,
        successful_calls=bucket.succeeded,
        successful_rate=round(bucket.success_rate, 4),
        avg_call_duration=round(bucket.average_duration_s, 3),
        appointments_booked=bucket.appointments,
    )


def _bucket(bucket: Bucket) -> BucketShape:
    return BucketShape(start=z(bucket.start), **msgspec.structs.asdict(_figures(bucket)))


def _seconds(ms: float | None) -> float:
    return round((ms or 0.0) / 1000, 4)

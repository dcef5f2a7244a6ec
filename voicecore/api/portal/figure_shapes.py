"""Figures as the document shows them: rates and changes in percent, money and means to two decimals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from voicecore.api.portal.words import percent
from voicecore.domain.analyses import Share
from voicecore.domain.trade import Booked, BookedBy, Trade, change
from voicecore.services.trading import CallSpread


class Summary(msgspec.Struct, kw_only=True):
    """`average_call_duration` in seconds."""

    total_calls: int
    total_appointments: int
    conversion_rate: float
    average_call_duration: float
    total_revenue: float
    average_appointment_value: float


class Comparison(msgspec.Struct, kw_only=True):
    """Against the same part of the time before; `conversion_change` in points."""

    calls_change: float
    appointments_change: float
    conversion_change: float
    revenue_change: float


class CallDay(msgspec.Struct):
    date: str
    calls: int


class AppointmentDay(msgspec.Struct):
    date: str
    appointments: int


class Month(msgspec.Struct):
    month: str
    revenue: float


class Group(msgspec.Struct):
    """`id` null for what is on no list."""

    id: int | None
    name: str
    count: int
    revenue: float


class Count(msgspec.Struct):
    name: str
    count: int


class Hour(msgspec.Struct):
    hour: int
    calls: int


class Charts(msgspec.Struct, kw_only=True):
    """`peak_hours`: all hours of the day by the company's clock."""

    calls_timeline: list[CallDay]
    appointments_by_service: list[Group]
    revenue_by_branch: list[Group]
    peak_hours: list[Hour]


class Overview(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`comparison` when it is asked for."""

    period: str
    summary: Summary
    comparison: Comparison | None = None
    charts: Charts


class CallFigures(msgspec.Struct, kw_only=True):
    """Durations in seconds."""

    period: str
    total_calls: int
    completed_calls: int
    missed_calls: int
    failed_calls: int
    success_rate: float
    total_duration: int
    average_duration: float
    by_sentiment: dict[str, int]
    by_intent: list[Count]
    by_agent: list[Count]
    by_day: list[CallDay]
    by_hour: list[Hour]


class AppointmentFigures(msgspec.Struct, kw_only=True):
    period: str
    total_appointments: int
    conversion_rate: float
    cancellation_rate: float
    no_show_rate: float
    by_status: dict[str, int]
    by_source: dict[str, int]
    by_service: list[Group]
    by_staff: list[Group]
    by_branch: list[Group]
    by_day: list[AppointmentDay]


class RevenueFigures(msgspec.Struct, kw_only=True):
    period: str
    total_revenue: float
    average_appointment_value: float
    by_month: list[Month]
    by_service: list[Group]
    by_staff: list[Group]
    by_branch: list[Group]


def summary(trade: Trade) -> Summary:
    return Summary(
        total_calls=trade.calls.calls,
        total_appointments=trade.booked.count,
        conversion_rate=percent(trade.conversion),
        average_call_duration=round(trade.average_duration_s, 2),
        total_revenue=round(trade.booked.revenue, 2),
        average_appointment_value=round(trade.average_value, 2),
    )


def comparison(now: Trade, before: Trade) -> Comparison:
    return Comparison(
        calls_change=percent(change(now.calls.calls, before.calls.calls)),
        appointments_change=percent(change(now.booked.count, before.booked.count)),
        conversion_change=percent(now.conversion - before.conversion),
        revenue_change=percent(change(now.booked.revenue, before.booked.revenue)),
    )


def charts(spread: CallSpread, services: Sequence[BookedBy], branches: Sequence[BookedBy]) -> Charts:
    return Charts(
        calls_timeline=calls_by_day(spread.days),
        appointments_by_service=grouped(services),
        revenue_by_branch=grouped(branches),
        peak_hours=peak_hours(spread),
    )


def calls_by_day(days: Mapping[date, int]) -> list[CallDay]:
    return [CallDay(day.isoformat(), calls) for day, calls in days.items()]


def appointments_by_day(days: Mapping[date, Booked]) -> list[AppointmentDay]:
    return [AppointmentDay(day.isoformat(), booked.count) for day, booked in days.items()]


def revenue_by_month(months: Mapping[date, float]) -> list[Month]:
    return [Month(f"{first:%Y-%m}", round(revenue, 2)) for first, revenue in months.items()]


def peak_hours(spread: CallSpread) -> list[Hour]:
    return [Hour(hour, spread.hours.get(hour, 0)) for hour in range(24)]


def grouped(rows: Sequence[BookedBy]) -> list[Group]:
    return [Group(row.seq, row.name, row.count, round(row.revenue, 2)) for row in rows]


def counts(shares: Sequence[Share]) -> list[Count]:
    return [Count(share.name, share.count) for share in shares]

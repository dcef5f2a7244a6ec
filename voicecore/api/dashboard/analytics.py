"""Figures over finished calls: totals, by assistant, by how they ended, by intent, and the keywords in them.

All percentages of a list are of the same total, to one decimal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from pipelines.events import EndReason
from voicecore.api.dashboard.calls import FINISHED
from voicecore.api.dashboard.words import ended_reason, percent, unix
from voicecore.api.kit import Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.domain import instants
from voicecore.domain.analyses import Share
from voicecore.domain.calls import CallFilter
from voicecore.services.analyses import Analyses
from voicecore.services.calls import Calls
from voicecore.services.organizations import Organizations

NAMELESS = "Unknown"  # the agent of calls that name none


class SummaryResponse(msgspec.Struct):
    """`missedCalls`: all that were not held to their end, also for a technical reason. Durations in seconds."""

    totalCalls: int  # noqa: N815
    answeredCalls: int  # noqa: N815
    missedCalls: int  # noqa: N815
    averageDuration: int  # noqa: N815
    totalDuration: int  # noqa: N815


class AgentShape(msgspec.Struct):
    agent_name: str
    call_count: int
    percentage: float


class ReasonShape(msgspec.Struct):
    ended_reason: str
    count: int
    percentage: float


class IntentShape(msgspec.Struct):
    intent: str
    count: int
    percentage: float


class KeywordShape(msgspec.Struct):
    """`count` calls, by the mood in which it came up; `avg_sentiment` from -1 to 1."""

    keyword: str
    count: int
    positive_count: int
    neutral_count: int
    negative_count: int
    avg_sentiment: float
    last_detected_at: int


_MOMENTS = [{"format": "date"}, {"format": "date-time"}, {"maxLength": 0}]  # empty is left out
Moment = Annotated[str, Meta(max_length=40, extra_json_schema={"anyOf": _MOMENTS})]


class DatesQuery(msgspec.Struct, kw_only=True):
    """ISO 8601. A date without a time is all of that day in the workspace's time zone, as is a time without a zone."""

    start_date: Moment | None = None
    end_date: Moment | None = None


class AnalyticsHandlers:
    def __init__(self, calls: Calls, analyses: Analyses, organizations: Organizations) -> None:
        self._calls = calls
        self._analyses = analyses
        self._organizations = organizations

    async def summary(self, exchange: Exchange) -> SummaryResponse:
        totals = await self._calls.totals(exchange.organization_uid, FINISHED)
        return SummaryResponse(
            totalCalls=totals.calls,
            answeredCalls=totals.completed,
            missedCalls=totals.calls - totals.completed,
            averageDuration=round(totals.duration_s / totals.calls) if totals.calls else 0,
            totalDuration=round(totals.duration_s),
        )

    async def agents(self, exchange: Exchange) -> list[AgentShape]:
        shares = await self._analyses.agents(exchange.organization_uid)
        return [AgentShape(one.name or NAMELESS, one.count, percent(one.count, one.total)) for one in shares]

    async def reasons(self, exchange: Exchange) -> list[ReasonShape]:
        wanted = _narrowed(exchange.query, await self._organizations.zone(exchange.organization_uid))
        shares = await self._analyses.end_reasons(exchange.organization_uid, wanted)
        return [_reason(one) for one in shares]

    async def intents(self, exchange: Exchange) -> list[IntentShape]:
        shares = await self._analyses.intents(exchange.organization_uid)
        return [IntentShape(one.name, one.count, percent(one.count, one.total)) for one in shares]

    async def keywords(self, exchange: Exchange) -> list[KeywordShape]:
        return [
            KeywordShape(
                keyword=one.keyword,
                count=one.count,
                positive_count=one.positive,
                neutral_count=one.neutral,
                negative_count=one.negative,
                avg_sentiment=round(one.score, 2),
                last_detected_at=unix(one.last_at),
            )
            for one in await self._analyses.keywords(exchange.organization_uid)
        ]

    def routes(self) -> list[Route]:
        tag = "Analytics"
        return [
            Route(
                method="GET",
                path="/api/dashboard-summary",
                handler=self.summary,
                summary="Totals over all finished calls",
                tag=tag,
                response=SummaryResponse,
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/agent-distribution",
                handler=self.agents,
                summary="Finished calls by assistant, the most first",
                tag=tag,
                response=list[AgentShape],
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/call-ended-reasons",
                handler=self.reasons,
                summary="Why calls ended, the most frequent first",
                tag=tag,
                query=DatesQuery,
                response=list[ReasonShape],
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/keywords",
                handler=self.keywords,
                summary="The hundred keywords that came up in most calls, with sentiment",
                tag=tag,
                response=list[KeywordShape],
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/intent-analysis",
                handler=self.intents,
                summary="Why people called, the most frequent first",
                tag=tag,
                response=list[IntentShape],
                retold=True,
            ),
        ]


def _reason(one: Share) -> ReasonShape:
    return ReasonShape(ended_reason(EndReason(one.name)), one.count, percent(one.count, one.total))


def _narrowed(query: DatesQuery, zone: ZoneInfo) -> CallFilter:
    """Calls that began in that time. Raises ValidationError."""
    from_at = _moment("start_date", query.start_date, zone, instants.parse)
    until = _moment("end_date", query.end_date, zone, instants.parse)
    if from_at and until and until < from_at:
        raise ValidationError(INVALID, (("end_date", "must not be before start_date"),))
    before_at = _moment("end_date", query.end_date, zone, instants.parse_end)
    return msgspec.structs.replace(FINISHED, from_at=from_at, before_at=before_at)


def _moment(name: str, text: str | None, zone: ZoneInfo, read: Callable[[str, ZoneInfo], datetime]) -> datetime | None:
    if text is None:
        return None
    try:
        return read(text, zone)
    except (ValueError, OverflowError) as error:
        raise ValidationError(INVALID, ((name, "must be an ISO 8601 date"),)) from error

"""Figures over finished calls: of everything, by day, by sentiment, of one client."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.receptionist.calls import FINISHED, Days
from voicecore.api.receptionist.words import path_uid, percent, sentiment_word
from voicecore.services.businesses import MISSING, Businesses
from voicecore.services.calls import Calls

CALENDAR = ZoneInfo(str(UTC))  # by which the times of this surface are written


class DashboardResponse(msgspec.Struct):
    """`total_duration` in seconds, `success_rate` in percent; `avg_sentiment` is what most calls were."""

    total_calls: int
    total_duration: float
    success_rate: float
    avg_sentiment: str
    total_clients: int


class DayShape(msgspec.Struct):
    date: str
    calls: int


class DaysResponse(msgspec.Struct):
    """The newest day first; days without a call are left out."""

    data: list[DayShape]


class SentimentResponse(msgspec.Struct):
    POSITIVE: int
    NEGATIVE: int
    NEUTRAL: int


class ClientStatsResponse(msgspec.Struct):
    """The means are 0 where nothing was measured."""

    client_id: str
    client_name: str
    total_calls: int
    total_duration: float
    success_rate: float
    avg_stt_latency_ms: float
    avg_llm_latency_ms: float
    avg_tts_latency_ms: float


class DaysQuery(msgspec.Struct):
    days: Days = 30


class AnalyticsHandlers:
    def __init__(self, calls: Calls, businesses: Businesses) -> None:
        self._calls = calls
        self._businesses = businesses

    async def dashboard(self, exchange: Exchange) -> DashboardResponse:
        totals = await self._calls.totals(exchange.organization_uid, FINISHED)
        return DashboardResponse(
            total_calls=totals.calls,
            total_duration=round(totals.duration_s, 3),
            success_rate=percent(totals.success_rate),
            avg_sentiment=sentiment_word(totals.sentiment),
            total_clients=await self._businesses.count(exchange.organization_uid),
        )

    async def per_day(self, exchange: Exchange) -> DaysResponse:
        query: DaysQuery = exchange.query
        found = await self._calls.per_day(exchange.organization_uid, FINISHED, query.days, CALENDAR)
        return DaysResponse([DayShape(day.isoformat(), calls) for day, calls in found])

    async def sentiment(self, exchange: Exchange) -> SentimentResponse:
        totals = await self._calls.totals(exchange.organization_uid, FINISHED)
        return SentimentResponse(POSITIVE=totals.positive, NEGATIVE=totals.negative, NEUTRAL=totals.neutral)

    async def client(self, exchange: Exchange) -> ClientStatsResponse:
        uid = path_uid(exchange, "client_id", MISSING)
        line = await self._businesses.get(exchange.organization_uid, uid)
        wanted = msgspec.structs.replace(FINISHED, business_uid=uid)
        totals = await self._calls.totals(exchange.organization_uid, wanted)
        return ClientStatsResponse(
            client_id=line.uid,
            client_name=line.name,
            total_calls=totals.calls,
            total_duration=round(totals.duration_s, 3),
            success_rate=percent(totals.success_rate),
            avg_stt_latency_ms=round(totals.stt_ms or 0.0, 1),
            avg_llm_latency_ms=round(totals.llm_ms or 0.0, 1),
            avg_tts_latency_ms=round(totals.tts_ms or 0.0, 1),
        )

    def routes(self) -> list[Route]:
        base, tag = "/api/analytics", "Analytics"
        return [
            Route(
                method="GET",
                path=f"{base}/dashboard",
                handler=self.dashboard,
                summary="Totals over all calls, and how many clients there are",
                tag=tag,
                response=DashboardResponse,
                retold=True,
            ),
            Route(
                method="GET",
                path=f"{base}/calls-per-day",
                handler=self.per_day,
                summary="Calls by day",
                tag=tag,
                query=DaysQuery,
                response=DaysResponse,
                retold=True,
            ),
            Route(
                method="GET",
                path=f"{base}/sentiment",
                handler=self.sentiment,
                summary="Calls by sentiment",
                tag=tag,
                response=SentimentResponse,
                retold=True,
            ),
            Route(
                method="GET",
                path=f"{base}/client/{{client_id}}/stats",
                handler=self.client,
                summary="Figures of one client",
                tag=tag,
                response=ClientStatsResponse,
                retold=True,
            ),
        ]

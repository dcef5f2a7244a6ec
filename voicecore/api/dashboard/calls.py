"""Call data: finished calls with summary and recording, running calls, and how many run at once."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.words import ended_reason, unix
from voicecore.api.kit import Exchange, Route
from voicecore.api.links import Links
from voicecore.domain.call_overview import CallOverview
from voicecore.domain.calls import CallFilter, CallStatus
from voicecore.domain.concurrency import Grain
from voicecore.domain.paging import Page
from voicecore.services.calls import Calls
from voicecore.services.concurrency import Concurrency

FINISHED = CallFilter(statuses=(CallStatus.ENDED,))
MOST = 1000  # the document's default; more are on the next page
MOST_POINTS = 10_080  # minutes of a week, which is how long they are kept
STATES = {CallStatus.RINGING: "ringing", CallStatus.ANSWERED: "in-progress"}
TAG = "Call Data"


class CallQuery(msgspec.Struct, kw_only=True):
    """A larger `limit` than 1000 is 1000."""

    limit: Annotated[int, Meta(ge=1)] = MOST
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class SeriesQuery(msgspec.Struct, kw_only=True):
    granularity: Literal["minute", "hour", "day"] = "minute"
    limit: Annotated[int, Meta(ge=1)] = 1000


class CallShape(msgspec.Struct, kw_only=True):
    """`duration` in seconds."""

    id: str
    customer_phone: str
    customer_name: str
    duration: int
    call_summary: str
    ended_reason: str
    recording_url: str | None
    created_at: int


class ActiveCallShape(msgspec.Struct, kw_only=True):
    """`started_at`: when it was answered; until then, when it began to ring."""

    id: str
    customer_phone: str
    status: str
    started_at: int


class LoadResponse(msgspec.Struct):
    """`peak`: ever."""

    current: int
    peak: int


class PointShape(msgspec.Struct):
    """The most calls at once from `timestamp` on."""

    timestamp: int
    count: int


class CallHandlers:
    def __init__(self, calls: Calls, concurrency: Concurrency, links: Links) -> None:
        self._calls = calls
        self._concurrency = concurrency
        self._links = links

    async def listing(self, exchange: Exchange) -> list[CallShape]:
        query: CallQuery = exchange.query
        page = Page(query.offset, min(query.limit, MOST))
        found = await self._calls.overview(exchange.organization_uid, FINISHED, page)
        return [self._shape(call, exchange) for call in found]

    def _shape(self, call: CallOverview, exchange: Exchange) -> CallShape:
        url = call.recording_url or None
        if call.recording_file:
            url = self._links.to(f"/recordings/{call.recording_file}", exchange.http)
        return CallShape(
            id=call.uid,
            customer_phone=call.party_number,
            customer_name=call.party_name,
            duration=round(call.duration_s),
            call_summary=call.summary,
            ended_reason=ended_reason(call.end_reason),
            recording_url=url,
            created_at=unix(call.created_at),
        )

    async def active(self, exchange: Exchange) -> list[ActiveCallShape]:
        return [
            ActiveCallShape(
                id=call.uid,
                customer_phone=call.party_number,
                status=STATES[call.status],
                started_at=unix(call.answered_at or call.created_at),
            )
            for call in await self._concurrency.running(exchange.organization_uid)
        ]

    async def load(self, exchange: Exchange) -> LoadResponse:
        load = await self._concurrency.load(exchange.organization_uid)
        return LoadResponse(current=load.current, peak=load.peak)

    async def series(self, exchange: Exchange) -> list[PointShape]:
        query: SeriesQuery = exchange.query
        most = min(query.limit, MOST_POINTS)
        samples = await self._concurrency.series(exchange.organization_uid, Grain(query.granularity), most)
        return [PointShape(timestamp=unix(sample.begins_at), count=sample.peak) for sample in samples]

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/webhook-calls",
                handler=self.listing,
                summary="Finished calls with summary and recording, newest first",
                tag=TAG,
                query=CallQuery,
                response=list[CallShape],
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/active-calls",
                handler=self.active,
                summary="Calls that ring or are held now, newest first",
                tag=TAG,
                response=list[ActiveCallShape],
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/concurrent-calls",
                handler=self.load,
                summary="How many calls run now, and the most there ever were at once",
                tag=TAG,
                response=LoadResponse,
                retold=True,
            ),
            Route(
                method="GET",
                path="/api/concurrent-calls/timeseries",
                handler=self.series,
                summary="The most calls at once by minute, hour or day (UTC), oldest first",
                tag=TAG,
                query=SeriesQuery,
                response=list[PointShape],
                retold=True,
            ),
        ]

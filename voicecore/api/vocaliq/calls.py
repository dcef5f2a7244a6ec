"""Listing calls, one call in full, and its recording."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
from aiohttp import web
from msgspec import Meta

from pipelines.errors import ConflictError, NotFound, ValidationError
from voicecore.api.kit import Auth, Exchange, NotAvailableYet, Route
from voicecore.api.links import Links
from voicecore.api.vocaliq.shapes import (
    AgentSpeculationShape,
    AgentUsageShape,
    CallDetailShape,
    CallShape,
    call_shape,
    detail_shape,
    speculation_shape,
    usage_shape,
)
from voicecore.api.vocaliq.words import STATUS_FILTERS, pages
from voicecore.domain import instants
from voicecore.domain.accounts import Organization, Permission
from voicecore.domain.calls import CallFilter, Direction, Recording
from voicecore.domain.paging import Page
from voicecore.services.accounts import Accounts
from voicecore.services.calls import Calls

TAG = "Calls"


class PageQuery(msgspec.Struct, kw_only=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20

    def core(self) -> Page:
        return Page((self.page - 1) * self.limit, self.limit)


class SpanQuery(msgspec.Struct, kw_only=True):
    """Dates are ISO 8601; a bare date means the whole day in the organization's time zone."""

    agent_id: str | None = None
    date_from: str | None = None
    date_to: str | None = None


class CallQuery(PageQuery, kw_only=True):
    """Dates as in a span."""

    status: Literal["initiated", "in-progress", "completed", "failed"] | None = None
    direction: Literal["inbound", "outbound"] | None = None
    agent_id: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    phone_number: str | None = None


class CallListResponse(msgspec.Struct):
    items: list[CallShape]
    total: int
    page: int
    pages: int


class SpeculationResponse(msgspec.Struct):
    items: list[AgentSpeculationShape]


class UsageResponse(msgspec.Struct):
    items: list[AgentUsageShape]


class LiveCalls(Protocol):
    """The running calls of the server, whichever of its processes has them."""

    async def hang_up(self, call_id: str) -> bool: ...


class CallHandlers:
    """`recordings` is the directory of recordings."""

    def __init__(self, calls: Calls, live: LiveCalls, accounts: Accounts, recordings: Path, links: Links) -> None:
        self._calls = calls
        self._live = live
        self._accounts = accounts
        self._recordings = recordings.resolve()
        self._links = links

    async def listing(self, exchange: Exchange) -> CallListResponse:
        query: CallQuery = exchange.query
        wanted = _wanted(query, await self._accounts.organization(exchange.who))
        found = await self._calls.listing(exchange.organization_uid, wanted, query.core())
        items = [
            call_shape(call, self._url(found.recordings.get(call.uid), exchange.http)) for call in found.listing.rows
        ]
        total = found.listing.total
        return CallListResponse(items, total, query.page, pages(total, query.limit))

    async def speculation(self, exchange: Exchange) -> SpeculationResponse:
        query: SpanQuery = exchange.query
        wanted = _spanned(query, await self._accounts.organization(exchange.who))
        sums = await self._calls.speculation(exchange.organization_uid, wanted)
        return SpeculationResponse(
            [
                AgentSpeculationShape(agent_id=agent_id, **msgspec.structs.asdict(speculation_shape(ledger)))
                for agent_id, ledger in sums
            ]
        )

    async def usage(self, exchange: Exchange) -> UsageResponse:
        query: SpanQuery = exchange.query
        wanted = _spanned(query, await self._accounts.organization(exchange.who))
        sums = await self._calls.usage(exchange.organization_uid, wanted)
        return UsageResponse([usage_shape(agent_id, used) for agent_id, used in sums])

    async def get(self, exchange: Exchange) -> CallDetailShape:
        detail = await self._calls.get(exchange.organization_uid, exchange.path("call_id"))
        return detail_shape(detail, self._url(detail.recording, exchange.http))

    async def start(self, exchange: Exchange) -> None:
        """Raises NotAvailableYet: there is no carrier to dial with."""
        raise NotAvailableYet("outbound calls are not available yet")

    async def hang_up(self, exchange: Exchange) -> CallDetailShape:
        """Ends the call after a closing sentence. Raises NotFound, ConflictError when it does not run."""
        detail = await self._calls.get(exchange.organization_uid, exchange.path("call_id"))
        if not await self._live.hang_up(detail.call.external_id):
            raise ConflictError("the call is not in progress")
        return detail_shape(detail, self._url(detail.recording, exchange.http))

    async def recording(self, exchange: Exchange) -> web.StreamResponse:
        """The file, or the range asked for. A signed URL needs no token; either way 404 hides foreign ones."""
        found = await self._calls.recording(exchange.path("recording_id"), self._links.organization(exchange))
        file = await asyncio.to_thread(self._file, found)
        if file is None:
            raise NotFound("recording not found")
        return web.FileResponse(file, headers={"Content-Type": "audio/wav", "Cache-Control": "private, no-store"})

    def _file(self, recording: Recording) -> Path | None:
        path = (self._recordings / recording.path).resolve()
        return path if path.is_relative_to(self._recordings) and path.is_file() else None

    def _url(self, recording: Recording | None, request: web.Request) -> str | None:
        if recording is None:
            return None
        return self._links.to(f"/recordings/{recording.external_id}.{recording.format}", request)

    def routes(self) -> list[Route]:
        return [*self._of_many(), *self._of_one()]

    def _of_many(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/v1/calls",
                handler=self.listing,
                summary="Calls, newest first",
                tag=TAG,
                query=CallQuery,
                response=CallListResponse,
                limit="calls",
            ),
            Route(
                method="GET",
                path="/api/v1/speculation",
                handler=self.speculation,
                summary="What answers begun early gained and cost, by agent, over its ended calls (our addition)",
                tag=TAG,
                query=SpanQuery,
                response=SpeculationResponse,
                limit="calls",
            ),
            Route(
                method="GET",
                path="/api/v1/usage",
                handler=self.usage,
                summary="What the engines of ended calls used and what that costs, by agent and model (our addition)",
                tag=TAG,
                query=SpanQuery,
                response=UsageResponse,
                limit="calls",
            ),
        ]

    def _of_one(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path="/api/v1/calls/outbound/start",
                handler=self.start,
                summary="Start an outbound call (not available yet: 503)",
                tag=TAG,
                permission=Permission.CONFIGURE,
                limit="calls",
            ),
            Route(
                method="GET",
                path="/api/v1/calls/{call_id}",
                handler=self.get,
                summary="One call with transcript, turns, events, stages, appointments and recording",
                tag=TAG,
                response=CallDetailShape,
                limit="calls",
            ),
            Route(
                method="POST",
                path="/api/v1/calls/{call_id}/hangup",
                handler=self.hang_up,
                summary="End a running call (our addition)",
                tag=TAG,
                response=CallDetailShape,
                permission=Permission.CONFIGURE,
                limit="calls",
            ),
            Route(
                method="GET",
                path="/recordings/{recording_id:[^/]+}.wav",
                handler=self.recording,
                summary="Stereo recording: caller left, agent right. Bearer token or signed URL; ranges served",
                tag=TAG,
                media_type="audio/wav",
                auth=Auth.ACCESS_OR_SIGNATURE,
                limit="audio",
            ),
        ]


def _wanted(query: CallQuery, organization: Organization) -> CallFilter:
    statuses, outcomes = STATUS_FILTERS[query.status] if query.status else ((), ())
    return msgspec.structs.replace(
        _spanned(query, organization),
        statuses=statuses,
        outcomes=outcomes,
        direction=Direction(query.direction) if query.direction else None,
        phone_number=query.phone_number,
    )


def _spanned(query: SpanQuery | CallQuery, organization: Organization) -> CallFilter:
    tz = instants.zone(organization.timezone)
    moments = {}
    for name, text in (("date_from", query.date_from), ("date_to", query.date_to)):
        try:
            moments[name] = instants.parse(text, tz, end_of_day=name == "date_to") if text else None
        except (ValueError, OverflowError) as error:
            raise ValidationError("Invalid input data", ((name, "not an ISO 8601 date or time"),)) from error
    return CallFilter(agent_id=query.agent_id, from_at=moments["date_from"], before_at=moments["date_to"])

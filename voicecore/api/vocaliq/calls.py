"""Listing calls, one call in full, and its recording."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from pipelines.errors import NotFound
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.links import Links
from voicecore.api.vocaliq.shapes import (
    AgentSpeculationShape,
    AgentUsageShape,
    CallDetailShape,
    CallShape,
    call_detail,
    call_shape,
    recording_url,
    speculation_shape,
    usage_shape,
)
from voicecore.api.vocaliq.words import STATUS_FILTERS, last_moment, optional_moment, pages
from voicecore.domain import instants
from voicecore.domain.accounts import Organization
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


class CallHandlers:
    """`recordings` is the directory of recordings."""

    def __init__(self, calls: Calls, accounts: Accounts, recordings: Path, links: Links) -> None:
        self._calls = calls
        self._accounts = accounts
        self._recordings = recordings.resolve()
        self._links = links

    async def listing(self, exchange: Exchange) -> CallListResponse:
        query: CallQuery = exchange.query
        wanted = _wanted(query, await self._accounts.organization(exchange.who))
        found = await self._calls.listing(exchange.organization_uid, wanted, query.core())
        items = [
            call_shape(call, recording_url(call, found.recordings.get(call.uid), self._links, exchange.http))
            for call in found.listing.rows
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
        return call_detail(detail, self._links, exchange.http)

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
                retold=True,
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
                retold=True,
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
                retold=True,
            ),
        ]

    def _of_one(self) -> list[Route]:
        return [
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
    return CallFilter(
        agent_id=query.agent_id,
        from_at=optional_moment("date_from", query.date_from, tz),
        before_at=last_moment("date_to", query.date_to, tz),
    )

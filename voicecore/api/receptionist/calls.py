"""Finished calls: lists, one in full, and the log that agents elsewhere write to."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipelines.errors import NotFound
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.links import Links
from voicecore.api.receptionist.shapes import (
    CallDetailResponse,
    CallListResponse,
    LoggedCallResponse,
    LoggedCallShape,
    call_shape,
    detail_shape,
)
from voicecore.api.receptionist.words import known_uid, naive, path_uid
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.calls import CallFilter, CallStatus, LoggedCall, Sentiment
from voicecore.domain.paging import Page
from voicecore.services.businesses import MISSING
from voicecore.services.calls import CallDetail, Calls

CALL_MISSING = "call not found"
MOST_DAYS = 3660
FINISHED = CallFilter(statuses=(CallStatus.ENDED,))
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Milliseconds = Annotated[float, Meta(ge=0, le=1e9)]
Days = Annotated[int, Meta(ge=1, le=MOST_DAYS)]


class CallQuery(msgspec.Struct, kw_only=True):
    """`days`: those of the last so many times 24 hours."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    client_id: str | None = None
    days: Days | None = None


class CallRequest(msgspec.Struct, kw_only=True):
    client_id: str
    caller_phone: str | None = None
    caller_name: str | None = None
    duration_seconds: Seconds | None = None
    stt_latency_ms: Milliseconds | None = None
    llm_latency_ms: Milliseconds | None = None
    tts_latency_ms: Milliseconds | None = None
    transcript: str | None = None
    sentiment: Literal["POSITIVE", "NEGATIVE", "NEUTRAL"] | None = None
    success: bool | None = True
    recording_url: str | None = None
    notes: str | None = None


class CallHandlers:
    """`open_log`: agents need no token to report a call, as the document's sample shows it."""

    def __init__(self, calls: Calls, links: Links, open_log: bool) -> None:
        self._calls = calls
        self._links = links
        self._log_auth = Auth.OPTIONAL if open_log else Auth.ACCESS

    async def listing(self, exchange: Exchange) -> CallListResponse:
        query: CallQuery = exchange.query
        wanted = FINISHED
        if query.days is not None:
            wanted = msgspec.structs.replace(wanted, from_at=instants.now() - timedelta(days=query.days))
        if query.client_id is not None:
            try:
                uid = known_uid(query.client_id, MISSING)
            except NotFound:
                return CallListResponse(0, query.limit, query.offset, [])  # as for any other client that is not there
            wanted = msgspec.structs.replace(wanted, business_uid=uid)
        found = await self._calls.listing(exchange.organization_uid, wanted, Page(query.offset, query.limit))
        names = await self._calls.party_names(found.listing.rows)
        shapes = [call_shape(call, names[call.uid]) for call in found.listing.rows]
        return CallListResponse(found.listing.total, query.limit, query.offset, shapes)

    async def get(self, exchange: Exchange) -> CallDetailResponse:
        detail = await self._calls.with_uid(exchange.organization_uid, path_uid(exchange, "call_id", CALL_MISSING))
        if detail.call.status is not CallStatus.ENDED:
            raise NotFound(CALL_MISSING)  # the document knows finished calls only
        return CallDetailResponse(detail_shape(detail, self._recording_url(detail, exchange)))

    def _recording_url(self, detail: CallDetail, exchange: Exchange) -> str | None:
        if detail.recording is None:
            return detail.call.recording_url or None
        recording = detail.recording
        return self._links.to(f"/recordings/{recording.external_id}.{recording.format}", exchange.http)

    async def log(self, exchange: Exchange) -> LoggedCallResponse:
        body: CallRequest = exchange.body
        logged = LoggedCall(
            business_uid=known_uid(body.client_id, MISSING),
            party_number=body.caller_phone or "",
            party_name=body.caller_name or "",
            duration_s=body.duration_seconds or 0.0,
            stt_ms=body.stt_latency_ms,
            llm_ms=body.llm_latency_ms,
            tts_ms=body.tts_latency_ms,
            transcript=body.transcript or "",
            notes=body.notes or "",
            recording_url=body.recording_url or "",
            sentiment=Sentiment(body.sentiment.lower()) if body.sentiment else None,
            success=body.success is not False,
        )
        owner = exchange.organization_uid if exchange.principal is not None else None
        call = await self._calls.log(logged, owner)
        shape = LoggedCallShape(id=call.uid, client_id=logged.business_uid, created_at=naive(call.created_at))
        return LoggedCallResponse(shape)

    def routes(self) -> list[Route]:
        path, tag = "/api/calls", "Calls"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Finished calls, newest first",
                tag=tag,
                query=CallQuery,
                response=CallListResponse,
                retold=True,
            ),
            Route(
                method="POST",
                path=path,
                handler=self.log,
                summary="Report a finished call that an agent elsewhere held",
                tag=tag,
                body=CallRequest,
                response=LoggedCallResponse,
                status=201,
                auth=self._log_auth,
                permission=Permission.BOOK,
                failure="Failed to log call",
            ),
            Route(
                method="GET",
                path=f"{path}/{{call_id}}",
                handler=self.get,
                summary="One finished call with transcript and latencies",
                tag=tag,
                response=CallDetailResponse,
            ),
        ]

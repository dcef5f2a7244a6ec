"""Placing a call, ending one, handing one on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.links import Links
from voicecore.api.vocaliq.shapes import CallDetailShape, call_detail
from voicecore.api.vocaliq.words import INITIATED, optional_moment, z
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.dialling import Placement, TransferKind
from voicecore.services.accounts import Accounts
from voicecore.services.calls import Calls
from voicecore.services.outbound import Outbound
from voicecore.services.transfers import Transfers

TAG = "Calls"
VOICE_WEBHOOK = "/webhooks/twilio/voice"


class OutboundRequest(msgspec.Struct, kw_only=True):
    """`scheduled_time` is ISO 8601, in the organization's time zone unless it names one; without it, or in the past:
    now. `from_number` is our addition: the agent's number, else the organization's first."""

    to_number: Annotated[str, Meta(max_length=64)]
    agent_id: str
    campaign_id: Annotated[str, Meta(max_length=200)] | None = None
    scheduled_time: str | None = None
    metadata: dict[str, Any] | None = None
    from_number: Annotated[str, Meta(max_length=64)] | None = None


class OutboundResponse(msgspec.Struct):
    """`sid` is empty for a scheduled call of a carrier that gives one only when it dials."""

    call_id: str
    sid: str
    status: str
    to_number: str
    from_number: str
    webhook_url: str
    estimated_start: str


class TransferRequest(msgspec.Struct, kw_only=True):
    """`target` is a number with its country's code, or an extension."""

    target: Annotated[str, Meta(max_length=64)]
    transfer_type: Literal["blind", "attended", "conference"] = "blind"


class TransferResponse(msgspec.Struct):
    """`status`: `transferred`, or `ringing` while the agent still has the call."""

    call_id: str
    transfer_type: str
    target: str
    status: str


class CallControlHandlers:
    """`public_url`: how the carrier reaches us; "" takes each request's own."""

    def __init__(
        self,
        outbound: Outbound,
        transfers: Transfers,
        calls: Calls,
        accounts: Accounts,
        links: Links,
        public_url: str,
    ) -> None:
        self._outbound = outbound
        self._transfers = transfers
        self._calls = calls
        self._accounts = accounts
        self._links = links
        self._public_url = public_url.rstrip("/")

    async def start(self, exchange: Exchange) -> OutboundResponse:
        body: OutboundRequest = exchange.body
        organization = await self._accounts.organization(exchange.who)
        metadata = dict(body.metadata or {})
        if body.campaign_id:
            metadata.setdefault("campaign_id", body.campaign_id)
        wanted = Placement(
            agent_id=body.agent_id,
            to_number=body.to_number,
            from_number=body.from_number or "",
            metadata=metadata,
            scheduled_at=optional_moment("scheduled_time", body.scheduled_time, instants.zone(organization.timezone)),
        )
        placed = await self._outbound.place(exchange.organization_uid, wanted)
        return OutboundResponse(
            call_id=placed.call.external_id,
            sid=placed.call.sid,
            status=INITIATED,
            to_number=placed.call.to_number,
            from_number=placed.call.from_number,
            webhook_url=self._root(exchange.http) + VOICE_WEBHOOK,
            estimated_start=z(placed.estimated_start),
        )

    async def hang_up(self, exchange: Exchange) -> CallDetailShape:
        """Ends the call after a closing sentence, or before somebody answers. Raises NotFound, ConflictError when it
        does not run."""
        call_id = exchange.path("call_id")
        await self._outbound.hang_up(exchange.organization_uid, call_id)
        return call_detail(await self._calls.get(exchange.organization_uid, call_id), self._links, exchange.http)

    async def transfer(self, exchange: Exchange) -> TransferResponse:
        body: TransferRequest = exchange.body
        kind = TransferKind(body.transfer_type)
        done = await self._transfers.transfer(exchange.organization_uid, exchange.path("call_id"), kind, body.target)
        status = "transferred" if done.done else "ringing"
        return TransferResponse(done.call.external_id, kind.value, done.target, status)

    def _root(self, request: web.Request) -> str:
        return self._public_url or str(request.url.origin())

    def routes(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path="/api/v1/calls/outbound/start",
                handler=self.start,
                summary="Start an outbound call, now or at a time",
                tag=TAG,
                body=OutboundRequest,
                response=OutboundResponse,
                status=201,
                permission=Permission.CONFIGURE,
                limit="calls",
            ),
            Route(
                method="POST",
                path="/api/v1/calls/{call_id}/hangup",
                handler=self.hang_up,
                summary="End a running call, or cancel one that nobody has answered (our addition)",
                tag=TAG,
                response=CallDetailShape,
                permission=Permission.CONFIGURE,
                limit="calls",
            ),
            Route(
                method="POST",
                path="/api/v1/calls/{call_id}/transfer",
                handler=self.transfer,
                summary="Hand a running call on to a number or an extension (our addition)",
                tag=TAG,
                body=TransferRequest,
                response=TransferResponse,
                permission=Permission.CONFIGURE,
                limit="calls",
            ),
        ]

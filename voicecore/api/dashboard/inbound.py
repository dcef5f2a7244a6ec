"""Inbound webhooks: addresses that others post to, and the receiver behind them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.auth import MessageResponse
from voicecore.api.dashboard.words import base_url, path_uid, unix
from voicecore.api.dashboard.workspaces import Name
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.parsing import read_body
from voicecore.domain.accounts import Permission
from voicecore.domain.paging import Page
from voicecore.services.inbound import MISSING, MOST_KEPT, Inbound

RECEIVER = "/webhook"  # below the surface's root, outside /api


class WebhookRequest(msgspec.Struct):
    name: Name


class MadeWebhookShape(msgspec.Struct):
    id: str
    url: str
    secret: str


class WebhookResponse(msgspec.Struct):
    """The only time that the secret is told."""

    webhook: MadeWebhookShape


class WebhookShape(msgspec.Struct):
    id: str
    name: str
    url: str
    created_at: int


class ReceivedResponse(msgspec.Struct):
    success: bool
    id: str


class EventQuery(msgspec.Struct):
    limit: Annotated[int, Meta(ge=1, le=MOST_KEPT)] = MOST_KEPT
    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class EventShape(msgspec.Struct):
    """`body` as it came. `verified`: it was signed with the webhook's secret."""

    id: str
    content_type: str
    body: str
    verified: bool
    created_at: int


class InboundHandlers:
    """`below`: where the surface is; `public_url`: how clients reach us, "" takes each request's own."""

    def __init__(self, inbound: Inbound, below: str, public_url: str) -> None:
        self._inbound = inbound
        self._below = below
        self._public_url = public_url

    async def create(self, exchange: Exchange) -> WebhookResponse:
        body: WebhookRequest = exchange.body
        made, secret = await self._inbound.create(exchange.organization_uid, body.name)
        return WebhookResponse(MadeWebhookShape(made.uid, self._url(exchange, made.token), secret))

    async def listing(self, exchange: Exchange) -> list[WebhookShape]:
        return [
            WebhookShape(one.uid, one.name, self._url(exchange, one.token), unix(one.created_at))
            for one in await self._inbound.listing(exchange.organization_uid)
        ]

    async def delete(self, exchange: Exchange) -> MessageResponse:
        await self._inbound.remove(exchange.organization_uid, path_uid(exchange, "webhook_id", MISSING))
        return MessageResponse("Webhook deleted successfully")

    async def events(self, exchange: Exchange) -> list[EventShape]:
        query: EventQuery = exchange.query
        uid = path_uid(exchange, "webhook_id", MISSING)
        found = await self._inbound.received(exchange.organization_uid, uid, Page(query.offset, query.limit))
        return [EventShape(one.uid, one.content_type, one.body, one.signed, unix(one.created_at)) for one in found]

    async def receive(self, exchange: Exchange) -> ReceivedResponse:
        body = await read_body(exchange.http)
        event = await self._inbound.receive(exchange.path("token"), body, exchange.http.headers)
        return ReceivedResponse(success=True, id=event.uid)

    def _url(self, exchange: Exchange, token: str) -> str:
        return f"{base_url(self._public_url, exchange)}{self._below}{RECEIVER}/{token}"

    def routes(self) -> list[Route]:
        path, tag = "/api/webhooks", "Webhooks"
        return [
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Make an address that others post events to",
                tag=tag,
                body=WebhookRequest,
                response=WebhookResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Addresses that others post to, oldest first, without secrets",
                tag=tag,
                response=list[WebhookShape],
                permission=Permission.CONFIGURE,  # who knows an address may post to it
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{webhook_id}}",
                handler=self.delete,
                summary="Take the address away, with what was posted to it (our addition)",
                tag=tag,
                response=MessageResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="GET",
                path=f"{path}/{{webhook_id}}/events",
                handler=self.events,
                summary="What was posted there, newest first (our addition)",
                tag=tag,
                query=EventQuery,
                response=list[EventShape],
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="POST",
                path=f"{RECEIVER}/{{token}}",
                handler=self.receive,
                summary="Post an event: text of at most 256 KiB, signed or not",
                tag=tag,
                response=ReceivedResponse,
                auth=Auth.NONE,
                permission=None,
                limit="receiver",
            ),
        ]

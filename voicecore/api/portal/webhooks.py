"""Subscribing to what happens in the company."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipelines.errors import NotFound
from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.auth import SURFACE, MessageResponse
from voicecore.api.portal.paging import Paged, PageQuery, Pager
from voicecore.api.portal.payloads import EVENTS, WORDS
from voicecore.api.portal.words import BASE, Given, path_seq, z
from voicecore.domain.accounts import Permission
from voicecore.domain.webhooks import Subscription
from voicecore.services.webhooks import Webhooks

MISSING = "webhook not found"
EventName = Literal["call.received", "call.ended", "appointment.created", "appointment.cancelled"]


class WebhookRequest(msgspec.Struct):
    """Without a secret one is made, and told in the answer this once."""

    url: Given
    events: Annotated[list[EventName], Meta(min_length=1)]
    secret: Annotated[str, Meta(max_length=500)] | None = None


class WebhookShape(msgspec.Struct, kw_only=True):
    id: int
    url: str
    events: list[str]
    active: bool
    created_at: str


class NewWebhookShape(WebhookShape, omit_defaults=True, kw_only=True):
    secret: str | msgspec.UnsetType = msgspec.UNSET


class WebhookHandlers:
    def __init__(self, webhooks: Webhooks, pager: Pager) -> None:
        self._webhooks = webhooks
        self._pager = pager

    async def create(self, exchange: Exchange) -> NewWebhookShape:
        body: WebhookRequest = exchange.body
        events = [EVENTS[name] for name in body.events]
        made, secret = await self._webhooks.subscribe(
            exchange.organization_uid, SURFACE, body.url, events, body.secret or "", True
        )
        (stored,) = [one for one in await self._all(exchange) if one.uid == made.uid]
        shape = msgspec.structs.asdict(_shape(stored))
        return NewWebhookShape(**shape, secret=msgspec.UNSET if body.secret else secret)

    async def listing(self, exchange: Exchange) -> Paged[WebhookShape]:
        query: PageQuery = exchange.query
        found, page = await self._all(exchange), query.core()
        rows = [_shape(one) for one in found[page.offset : page.offset + page.count]]
        return self._pager.paged(exchange, rows, len(found))

    async def delete(self, exchange: Exchange) -> MessageResponse:
        seq = path_seq(exchange, "id", MISSING)
        uid = next((one.uid for one in await self._all(exchange) if one.seq == seq), None)
        if uid is None:
            raise NotFound(MISSING)
        await self._webhooks.unsubscribe(exchange.organization_uid, SURFACE, uid)
        return MessageResponse("Webhook deleted.")

    async def _all(self, exchange: Exchange) -> list[Subscription]:
        """A company has a few."""
        return await self._webhooks.subscriptions(exchange.organization_uid, SURFACE)

    def routes(self) -> list[Route]:
        path, tag = f"{BASE}/webhooks", "Webhooks"
        return [
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Be told of events, signed",
                tag=tag,
                body=WebhookRequest,
                response=NewWebhookShape,
                status=201,
                permission=Permission.WEBHOOKS_MANAGE,
            ),
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Who is told of what, oldest first",
                tag=tag,
                query=PageQuery,
                response=Paged[WebhookShape],
                permission=Permission.WEBHOOKS_VIEW,
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{id}}",
                handler=self.delete,
                summary="Be told no more",
                tag=tag,
                response=MessageResponse,
                permission=Permission.WEBHOOKS_MANAGE,
            ),
        ]


def _shape(subscription: Subscription) -> WebhookShape:
    return WebhookShape(
        id=subscription.seq,
        url=subscription.url,
        events=[WORDS[event] for event in subscription.events],
        active=subscription.active,
        created_at=z(subscription.created_at),
    )

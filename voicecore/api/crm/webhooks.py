"""Subscribing to events. The document gives the body and no path."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from voicecore.api.crm.auth import SURFACE
from voicecore.api.crm.envelope import Many, One, PageQuery, many, one
from voicecore.api.crm.payloads import EVENTS, WORDS
from voicecore.api.crm.words import z
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.domain.webhooks import Subscription
from voicecore.services.webhooks import Webhooks

EventName = Literal["deal.created", "deal.updated", "lead.scored", "call.completed", "invoice.paid"]


class WebhookRequest(msgspec.Struct):
    """Without a secret one is made, and told in the answer this once."""

    url: str
    events: Annotated[list[EventName], Meta(min_length=1)]
    secret: Annotated[str, Meta(max_length=500)] = ""


class WebhookShape(msgspec.Struct, omit_defaults=True):
    id: int
    url: str
    events: list[str]
    active: bool
    created_at: str
    secret: str | msgspec.UnsetType = msgspec.UNSET


class WebhookHandlers:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def listing(self, exchange: Exchange) -> Many[WebhookShape]:
        query: PageQuery = exchange.query
        found = await self._webhooks.subscriptions(exchange.organization_uid, SURFACE)
        page = query.core()
        return many([_shape(row) for row in found[page.offset : page.offset + page.count]], len(found), query)

    async def create(self, exchange: Exchange) -> One[WebhookShape]:
        body: WebhookRequest = exchange.body
        events = [EVENTS[name] for name in body.events]
        made, secret = await self._webhooks.subscribe(
            exchange.organization_uid, SURFACE, body.url, events, body.secret, active=True
        )
        shape = _shape(made)
        if not body.secret:
            shape.secret = secret
        return one(shape)

    def routes(self) -> list[Route]:
        path, tag = "/api/webhooks", "Webhooks"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Subscriptions, oldest first (our addition)",
                tag=tag,
                query=PageQuery,
                response=Many[WebhookShape],
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Be told of events, signed",
                tag=tag,
                body=WebhookRequest,
                response=One[WebhookShape],
                status=201,
                permission=Permission.CONFIGURE,
                limit="write",
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

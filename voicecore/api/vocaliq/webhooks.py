"""Subscribing to events, and what became of their deliveries."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.auth import SURFACE
from voicecore.api.vocaliq.calls import PageQuery
from voicecore.api.vocaliq.payloads import EVENTS, WORDS
from voicecore.api.vocaliq.words import maybe_z, pages, z
from voicecore.domain.accounts import Permission
from voicecore.domain.webhooks import Delivery, DeliveryState
from voicecore.services.webhooks import Webhooks

EventName = Literal["call.completed", "appointment.created", "agent.error"]


class WebhookRequest(msgspec.Struct):
    """Without a secret one is made, and told in the answer this once."""

    url: str
    events: Annotated[list[EventName], Meta(min_length=1)]
    secret: Annotated[str, Meta(max_length=500)] = ""
    active: bool = True


class WebhookShape(msgspec.Struct, omit_defaults=True):
    id: str
    url: str
    events: list[str]
    active: bool
    created_at: str
    secret: str | msgspec.UnsetType = msgspec.UNSET


class DeliveryQuery(PageQuery, kw_only=True):
    state: Literal["pending", "delivered", "dead"] | None = None


class DeliveryShape(msgspec.Struct):
    id: str
    event: str
    state: str
    attempts: int
    last_status: int | None
    last_error: str
    occurred_at: str
    next_attempt_at: str | None


class DeliveryListResponse(msgspec.Struct):
    items: list[DeliveryShape]
    total: int
    page: int
    pages: int


class WebhookHandlers:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def create(self, exchange: Exchange) -> WebhookShape:
        body: WebhookRequest = exchange.body
        made, secret = await self._webhooks.subscribe(
            exchange.organization_uid,
            SURFACE,
            body.url,
            [EVENTS[name] for name in body.events],
            body.secret,
            body.active,
        )
        return WebhookShape(
            id=made.external_id,
            url=made.url,
            events=[WORDS[event] for event in made.events],
            active=made.active,
            created_at=z(made.created_at),
            secret=msgspec.UNSET if body.secret else secret,
        )

    async def deliveries(self, exchange: Exchange) -> DeliveryListResponse:
        query: DeliveryQuery = exchange.query
        state = DeliveryState(query.state) if query.state else None
        found = await self._webhooks.deliveries(exchange.organization_uid, SURFACE, state, query.core())
        items = [_shape(row) for row in found.rows]
        return DeliveryListResponse(items, found.total, query.page, pages(found.total, query.limit))

    async def redeliver(self, exchange: Exchange) -> DeliveryShape:
        return _shape(await self._webhooks.again(exchange.organization_uid, SURFACE, exchange.path("delivery_id")))

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/webhooks", "Webhooks"
        return [
            Route(
                method="POST",
                path=base,
                handler=self.create,
                summary="Be told of events, signed",
                tag=tag,
                body=WebhookRequest,
                response=WebhookShape,
                status=201,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="GET",
                path=f"{base}/deliveries",
                handler=self.deliveries,
                summary="What was sent, is to be sent, or was given up; newest first (our addition)",
                tag=tag,
                query=DeliveryQuery,
                response=DeliveryListResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="POST",
                path=f"{base}/deliveries/{{delivery_id}}/redeliver",
                handler=self.redeliver,
                summary="Send it once more, whatever became of it (our addition)",
                tag=tag,
                response=DeliveryShape,
                permission=Permission.CONFIGURE,
            ),
        ]


def _shape(delivery: Delivery) -> DeliveryShape:
    return DeliveryShape(
        id=delivery.external_id,
        event=WORDS[delivery.event],
        state=delivery.state.value,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        occurred_at=z(delivery.occurred_at),
        next_attempt_at=maybe_z(delivery.next_at),
    )

"""Outbound webhooks: who is told of calls. Requests are camelCase, answers snake_case, `events` is one string."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from voicecore.api.dashboard.auth import SURFACE, MessageResponse
from voicecore.api.dashboard.payloads import EVENTS, WORDS
from voicecore.api.dashboard.words import path_uid, unix
from voicecore.api.dashboard.workspaces import Name
from voicecore.api.kit import Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.domain.accounts import Permission
from voicecore.domain.webhooks import Fact, Subscription
from voicecore.services.webhooks import Webhooks

MISSING = "webhook not found"
MOST = 200  # outbound webhooks of a workspace
_EVENT = "(" + "|".join(map(re.escape, EVENTS)) + ")"
_LISTED = rf"^\s*{_EVENT}\s*(,\s*{_EVENT}\s*)*$"  # for the description; `_events` says better what is wrong


class OutboundRequest(msgspec.Struct):
    """`events`: one, or several with commas between."""

    name: Name
    destinationUrl: Annotated[str, Meta(min_length=1, max_length=2000, extra_json_schema={"format": "uri"})]  # noqa: N815
    events: Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"pattern": _LISTED})]


class OutboundShape(msgspec.Struct):
    id: str
    name: str
    destination_url: str
    events: str
    is_active: bool


class ListedOutboundShape(OutboundShape):
    created_at: int


class OutboundResponse(msgspec.Struct):
    webhook: OutboundShape


class OutboundHandlers:
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def create(self, exchange: Exchange) -> OutboundResponse:
        body: OutboundRequest = exchange.body
        owner = exchange.organization_uid
        events, url = _events(body.events), body.destinationUrl
        try:
            made, _ = await self._webhooks.subscribe(owner, SURFACE, url, events, "", True, body.name, MOST)
        except ValidationError as error:
            if not error.fields:
                raise
            raise ValidationError(INVALID, tuple(("destinationUrl", reason) for _, reason in error.fields)) from error
        return OutboundResponse(OutboundShape(*_members(made)))

    async def listing(self, exchange: Exchange) -> list[ListedOutboundShape]:
        found = await self._webhooks.subscriptions(exchange.organization_uid, SURFACE)
        return [ListedOutboundShape(*_members(one), created_at=unix(one.created_at)) for one in found]

    async def delete(self, exchange: Exchange) -> MessageResponse:
        uid = path_uid(exchange, "webhook_id", MISSING)
        await self._webhooks.unsubscribe(exchange.organization_uid, SURFACE, uid)
        return MessageResponse("Webhook deleted successfully")

    def routes(self) -> list[Route]:
        path, tag = "/api/outbound-webhooks", "Outbound Webhooks"
        return [
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Send call events to an address elsewhere",
                tag=tag,
                body=OutboundRequest,
                response=OutboundResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Addresses that are told of calls, oldest first",
                tag=tag,
                response=list[ListedOutboundShape],
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{webhook_id}}",
                handler=self.delete,
                summary="Tell an address nothing any more (our addition)",
                tag=tag,
                response=MessageResponse,
                permission=Permission.CONFIGURE,
            ),
        ]


def _members(one: Subscription) -> tuple[str, str, str, str, bool]:
    events = ",".join(WORDS[event] for event in one.events)
    return one.uid, one.name, one.url, events, one.active


def _events(text: str) -> list[Fact]:
    """Raises ValidationError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word in EVENTS for word in words):
        raise ValidationError(INVALID, (("events", f"must be of: {', '.join(EVENTS)}"),))
    return [EVENTS[word] for word in words]

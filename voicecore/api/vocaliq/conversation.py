"""Talking to an agent in text."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.links import Links
from voicecore.api.vocaliq.words import z
from voicecore.domain.accounts import Permission
from voicecore.services.audio_desk import LIFE
from voicecore.services.conversations import Conversations


class StartRequest(msgspec.Struct):
    """Of `metadata`, `phone_number`, `customer_id` and `call_id` say who it is and what went before."""

    agent_id: str
    channel: str = "phone"
    metadata: dict[str, Any] = {}


class ContextShape(msgspec.Struct):
    customer_phone: str
    previous_interactions: int
    last_topic: str | None


class StartResponse(msgspec.Struct):
    conversation_id: str
    agent_id: str
    status: str
    context: ContextShape


class MessageRequest(msgspec.Struct):
    """`audio_url` is a link to a file of this server; it is listened to where `message` is empty."""

    message: Annotated[str, Meta(max_length=4000)] = ""
    audio_url: str | None = None


class ActionShape(msgspec.Struct):
    type: str
    data: dict[str, Any]


class MessageResponse(msgspec.Struct):
    """`audio_url` is null when no voice worked."""

    response: str
    audio_url: str | None
    intent: str
    entities: dict[str, Any]
    suggested_actions: list[ActionShape]


class ConversationHandlers:
    def __init__(self, conversations: Conversations, links: Links) -> None:
        self._conversations = conversations
        self._links = links

    async def start(self, exchange: Exchange) -> StartResponse:
        body: StartRequest = exchange.body
        phone = body.metadata.get("phone_number", "")
        if not isinstance(phone, str):
            raise ValidationError("Invalid input data", (("metadata.phone_number", "must be a string"),))
        conversation, past = await self._conversations.start(
            exchange.organization_uid, body.agent_id, body.channel, phone, body.metadata
        )
        context = ContextShape(phone, past.interactions, past.last_topic)
        return StartResponse(conversation.external_id, body.agent_id, "active", context)

    async def message(self, exchange: Exchange) -> MessageResponse:
        conversation_id, organization = exchange.path("conversation_id"), exchange.organization_uid
        text = exchange.body.message.strip() or await self._heard(exchange, conversation_id)
        answer = await self._conversations.message(organization, conversation_id, text)
        audio_url = None
        if answer.audio is not None:
            audio_url = self._links.to(f"/audio/{answer.audio.name}", exchange.http, LIFE)
        return MessageResponse(
            response=answer.text,
            audio_url=audio_url,
            intent=answer.understood.intent,
            entities=answer.understood.entities,
            suggested_actions=[ActionShape(kind, _shown(data)) for kind, data in answer.actions],
        )

    async def _heard(self, exchange: Exchange, conversation_id: str) -> str:
        body: MessageRequest = exchange.body
        if not body.audio_url:
            raise ValidationError("Invalid input data", (("message", "required"),))
        path = self._links.signed_path(body.audio_url)
        if path is None or not path.startswith("/audio/"):
            raise ValidationError("Invalid input data", (("audio_url", "not a valid link to audio of this server"),))
        name = path.removeprefix("/audio/")
        return await self._conversations.heard(exchange.organization_uid, conversation_id, name)

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/conversation", "Conversation"
        return [
            Route(
                method="POST",
                path=f"{base}/start",
                handler=self.start,
                summary="Begin to talk to an agent in text",
                tag=tag,
                body=StartRequest,
                response=StartResponse,
                status=201,
                permission=Permission.BOOK,
                changes=False,
            ),
            Route(
                method="POST",
                path=f"{base}/{{conversation_id}}/message",
                handler=self.message,
                summary="Say something; the agent answers as on the telephone, and may book",
                tag=tag,
                body=MessageRequest,
                response=MessageResponse,
                permission=Permission.BOOK,
                changes=False,
            ),
        ]


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    """Instants in the document's way."""

    def shown(value: Any) -> Any:
        if isinstance(value, datetime):
            return z(value)
        return [shown(item) for item in value] if isinstance(value, list) else value

    return {name: shown(value) for name, value in data.items()}

"""AI assistants, which are the workspace's agents, and the telephone numbers that they answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.workspaces import Name
from voicecore.api.kit import Exchange, Route
from voicecore.domain import phone
from voicecore.domain.accounts import Permission
from voicecore.domain.agents import PhoneNumber
from voicecore.services.assistants import Assistants, Chosen

Word = Annotated[str, Meta(max_length=200)]


class ModelShape(msgspec.Struct):
    provider: Word
    model: Word


class VoiceShape(msgspec.Struct):
    provider: Word
    voiceId: Word  # noqa: N815


class AssistantShape(msgspec.Struct):
    id: str
    name: str
    model: ModelShape
    voice: VoiceShape


class MadeAssistantShape(msgspec.Struct):
    id: str
    name: str


class AssistantListResponse(msgspec.Struct):
    """`cached`: the list was made before, and nothing has changed since."""

    assistants: list[AssistantShape]
    cached: bool


class AssistantRequest(msgspec.Struct):
    """Without model or voice the server's own are taken."""

    name: Name
    model: ModelShape = msgspec.field(default_factory=lambda: ModelShape("", ""))
    voice: VoiceShape = msgspec.field(default_factory=lambda: VoiceShape("", ""))


class AssistantResponse(msgspec.Struct):
    assistant: MadeAssistantShape


class CapabilitiesShape(msgspec.Struct):
    voice: bool
    sms: bool


class NumberShape(msgspec.Struct):
    sid: str
    phoneNumber: str  # noqa: N815
    friendlyName: str  # noqa: N815
    capabilities: CapabilitiesShape


class AssistantHandlers:
    def __init__(self, assistants: Assistants) -> None:
        self._assistants = assistants

    async def listing(self, exchange: Exchange) -> AssistantListResponse:
        found, cached = await self._assistants.listing(exchange.organization_uid)
        shapes = [
            AssistantShape(
                one.uid,
                one.name,
                ModelShape(one.model.provider, one.model.name),
                VoiceShape(one.voice.provider, one.voice.name),
            )
            for one in found
        ]
        return AssistantListResponse(shapes, cached)

    async def create(self, exchange: Exchange) -> AssistantResponse:
        body: AssistantRequest = exchange.body
        made = await self._assistants.create(
            exchange.organization_uid,
            body.name,
            Chosen(body.model.provider, body.model.model),
            Chosen(body.voice.provider, body.voice.voiceId),
        )
        return AssistantResponse(MadeAssistantShape(made.uid, made.name))

    async def numbers(self, exchange: Exchange) -> list[NumberShape]:
        return [_number(one) for one in await self._assistants.numbers(exchange.organization_uid)]

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/assistants",
                handler=self.listing,
                summary="Assistants that answer, oldest first",
                tag="AI Assistants",
                response=AssistantListResponse,
            ),
            Route(
                method="POST",
                path="/api/assistants",
                handler=self.create,
                summary="Make an assistant, which answers from the next call on",
                tag="AI Assistants",
                body=AssistantRequest,
                response=AssistantResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="GET",
                path="/api/twilio/phone-numbers",
                handler=self.numbers,
                summary="Telephone numbers of the workspace, oldest first",
                tag="Twilio Integration",
                response=list[NumberShape],
            ),
        ]


def _number(number: PhoneNumber) -> NumberShape:
    """The id looks as Twilio's do: PN and 32 hexadecimal digits."""
    international = number.number.lstrip().startswith(("+", "00"))
    return NumberShape(
        sid="PN" + number.uid.replace("-", ""),
        phoneNumber=f"+{phone.digits(number.number)}" if international else number.number,
        friendlyName=number.label or number.number,
        capabilities=CapabilitiesShape(voice=True, sms=number.sms),
    )

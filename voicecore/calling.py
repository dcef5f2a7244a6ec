"""What a media connection and the server that has it say to each other: announcements, tickets, prepared lines.

Only the vocabulary. It knows neither sockets nor dialects, and nothing of how a call is prepared.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from pipelines.audio import AudioFormat
from pipelines.conversation import Conversation
from pipelines.events import EndReason
from voicecore.domain.calls import MediaHealth
from voicecore.transports.messages import Authenticated, Started

CLOSE_CODES = {
    EndReason.IDLE_TIMEOUT: 1008,
    EndReason.PROTOCOL_ERROR: 1002,
    EndReason.AUDIO_FORMAT: 1003,
    EndReason.PIPELINE_FAILED: 1011,
    EndReason.SERVER_SHUTDOWN: 1001,
}

CALLER_NAME = "caller_name"  # the parameter of a stream that says who is calling, as the carrier looked it up
LONGEST_NAME = 200


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call when it starts. `organization_uid` "": whoever has the number or agent."""

    transport: str
    call_sid: str
    audio_format: AudioFormat
    agent_id: str = ""
    from_number: str = ""
    to_number: str = ""
    organization_uid: str = ""
    placed_uid: str = ""  # of the row of a call that we have placed
    metadata: dict[str, str] = {}
    unsupported: str = ""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What the connection proved before it was accepted: claims of its token, if it had one."""

    call_sid: str = ""
    agent_id: str = ""
    from_number: str = ""
    to_number: str = ""
    placed_uid: str = ""  # as in an announcement


class Line(Protocol):
    """A call that was prepared: what `Host.prepare` gives."""

    conversation: Conversation

    @property
    def call_id(self) -> str: ...

    async def run(self) -> EndReason: ...

    async def close(self, reason: EndReason, health: MediaHealth) -> None: ...


def announced_by_start(started: Started, ticket: Ticket, transport: str, audio_format: AudioFormat) -> Announcement:
    """By a stream's first message: what the ticket proves stands above what the message says."""
    return Announcement(
        transport=transport,
        call_sid=started.call_sid,
        audio_format=audio_format,
        agent_id=ticket.agent_id or started.parameters.get("agent", ""),
        from_number=ticket.from_number or started.parameters.get("from", ""),
        to_number=ticket.to_number or started.parameters.get("to", ""),
        placed_uid=ticket.placed_uid,
        metadata=started.parameters,
        unsupported=started.unsupported,
    )


def announced_with_token(
    authenticated: Authenticated, ticket: Ticket, transport: str, organization_uid: str
) -> Announcement:
    """By a first message whose token was found to belong to this organization."""
    return Announcement(
        transport=transport,
        call_sid=ticket.call_sid,
        audio_format=authenticated.audio_format,
        agent_id=authenticated.agent_id,
        from_number=authenticated.from_number,
        to_number=authenticated.to_number,
        organization_uid=organization_uid,
    )

"""What outbound webhooks of this surface are sent: the twelve members of the document, made from the records when they
are sent. The document knows no signature; the headers of Standard Webhooks come with every request all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pipelines.errors import NotFound
from voicecore.api.dashboard.words import ended_reason, z
from voicecore.api.links import Links
from voicecore.courier import Message
from voicecore.domain.calls import Call
from voicecore.domain.webhooks import Fact
from voicecore.services.agents import Agents
from voicecore.services.analyses import Analyses
from voicecore.services.audio_desk import LIFE
from voicecore.services.calls import CallDetail, Calls
from voicecore.services.webhooks import Due

EVENTS: dict[str, Fact] = {"call.ended": Fact.CALL_ENDED}
WORDS = {fact: word for word, fact in EVENTS.items()}
CUSTOMER, ASSISTANT = "customer", "assistant"  # who speaks, in a transcript


class Payloads:
    """`base` is how links begin where no public URL is set."""

    def __init__(self, calls: Calls, agents: Agents, analyses: Analyses, links: Links, base: Callable[[], str]) -> None:
        self._calls = calls
        self._agents = agents
        self._analyses = analyses
        self._links = links
        self._base = base

    async def message(self, due: Due, timestamp: int) -> Message | None:
        delivery = due.delivery
        try:
            detail = await self._calls.get(delivery.organization_uid, delivery.subject)
        except NotFound:
            return None
        call = detail.call
        analysis = await self._analyses.of(call.organization_uid, call.uid)
        body = {
            "event": WORDS[delivery.event],
            "timestamp": z(delivery.occurred_at),
            "call_id": call.uid,
            "customer_phone": call.party_number,
            "assistant_name": await self._assistant(call),
            "duration_seconds": round(call.duration_s),
            "ended_reason": ended_reason(call.end_reason),
            "call_summary": analysis.summary if analysis else "",
            "call_details": _details(detail) | ({"intent": analysis.intent} if analysis else {}),
            "structured_outputs": analysis.structured_outputs if analysis else {},
            "conversation_transcript": _transcript(detail),
            "recording_url": self._recording(detail),
        }
        return Message(msgspec.json.encode(body))

    async def _assistant(self, call: Call) -> str:
        """As it was called then."""
        try:
            return (await self._agents.version(call.organization_uid, call.agent_id, call.agent_version)).name
        except NotFound:
            return ""

    def _recording(self, detail: CallDetail) -> str | None:
        recording = detail.recording
        if recording is None:
            return detail.call.recording_url or None
        return self._links.below(self._base(), f"/recordings/{recording.external_id}.{recording.format}", LIFE)


def _details(detail: CallDetail) -> dict[str, Any]:
    call = detail.call
    return {
        "direction": call.direction.value,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "customer_name": detail.party_name,
        "outcome": call.outcome.value if call.outcome else None,
        "sentiment": call.sentiment.value if call.sentiment else None,
        "started_at": z(call.answered_at or call.created_at),
        "ended_at": z(call.ended_at) if call.ended_at else None,
    }


def _transcript(detail: CallDetail) -> list[dict[str, str]]:
    """A line each time somebody speaks: what the agent said is what was heard of it."""
    call, lines = detail.call, []
    for turn in detail.turns:
        said = (
            (CUSTOMER, turn.caller_text, turn.caller_started_ms),
            (ASSISTANT, turn.heard_text, turn.agent_started_ms),
        )
        for role, text, at_ms in said:
            if text:
                at = call.instant(turn.started_ms if at_ms is None else at_ms)
                lines.append({"role": role, "content": text, "timestamp": z(at)})
    return lines

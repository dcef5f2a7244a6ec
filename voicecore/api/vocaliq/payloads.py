"""What webhooks of this surface are sent: event, timestamp and data, made from the records when it is sent.

`X-VocalIQ-Signature` is sha256= and the HMAC-SHA256 of the raw body in hex.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgspec

from pipelines.errors import NotFound
from voicecore.api.links import Links
from voicecore.api.vocaliq.words import status_word, z
from voicecore.courier import Message
from voicecore.domain.webhooks import Delivery, Fact
from voicecore.services.appointments import Appointments
from voicecore.services.audio_desk import LIFE
from voicecore.services.calls import Calls
from voicecore.services.webhooks import Due

EVENTS: dict[str, Fact] = {
    "call.completed": Fact.CALL_ENDED,
    "appointment.created": Fact.APPOINTMENT_CREATED,
    "agent.error": Fact.AGENT_ERROR,
}
WORDS = {fact: word for word, fact in EVENTS.items()}


class Payloads:
    """`base` is how links begin where no public URL is set."""

    def __init__(self, calls: Calls, appointments: Appointments, links: Links, base: Callable[[], str]) -> None:
        self._calls = calls
        self._appointments = appointments
        self._links = links
        self._base = base

    async def message(self, due: Due, timestamp: int) -> Message | None:
        delivery = due.delivery
        try:
            data = await self._data(delivery)
        except NotFound:
            return None
        body = msgspec.json.encode({"event": WORDS[delivery.event], "timestamp": z(delivery.occurred_at), "data": data})
        signature = hmac.new(due.secret.encode(), body, hashlib.sha256).hexdigest()
        return Message(body, {"X-VocalIQ-Signature": f"sha256={signature}", "X-VocalIQ-Timestamp": str(timestamp)})

    async def _data(self, delivery: Delivery) -> dict[str, Any]:
        if delivery.event is Fact.APPOINTMENT_CREATED:
            row = await self._appointments.get(delivery.organization_uid, delivery.subject)
            return {
                "appointment_id": row.external_id,
                "customer_id": row.customer_id or None,
                "start": z(row.starts_at),
                "type": row.service,
            }
        detail = await self._calls.get(delivery.organization_uid, delivery.subject)
        call, recording = detail.call, detail.recording
        if delivery.event is Fact.AGENT_ERROR:
            return {"call_id": call.external_id, "agent_id": call.agent_id, "error": delivery.data}
        url = call.recording_url or None
        if recording is not None:
            url = self._links.below(self._base(), f"/recordings/{recording.external_id}.{recording.format}", LIFE)
        return {
            "call_id": call.external_id,
            "duration": round(call.duration_s),
            "status": status_word(call),
            "recording_url": url,
        }

"""What webhooks of this surface are sent: event, timestamp and data, made from the records when it is sent.

`X-Portal-Signature` is sha256= and the HMAC-SHA256 of the raw body in hex; `X-Portal-Timestamp` is unix seconds.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from pipelines.errors import NotFound
from voicecore.api.portal.words import maybe_z, z
from voicecore.courier import Message
from voicecore.domain.webhooks import Delivery, Fact
from voicecore.services.appointments import Appointments
from voicecore.services.calls import Calls
from voicecore.services.webhooks import Due

EVENTS: dict[str, Fact] = {
    "call.received": Fact.CALL_STARTED,
    "call.ended": Fact.CALL_ENDED,
    "appointment.created": Fact.APPOINTMENT_CREATED,
    "appointment.cancelled": Fact.APPOINTMENT_CANCELLED,
}
WORDS = {fact: word for word, fact in EVENTS.items()}


class Payloads:
    def __init__(self, calls: Calls, appointments: Appointments) -> None:
        self._calls = calls
        self._appointments = appointments

    async def message(self, due: Due, timestamp: int) -> Message | None:
        delivery = due.delivery
        try:
            data = await self._data(delivery)
        except NotFound:
            return None
        word = WORDS[delivery.event]
        body = msgspec.json.encode({"event": word, "timestamp": z(delivery.occurred_at), "data": data})
        signature = hmac.new(due.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "X-Portal-Event": word,
            "X-Portal-Signature": f"sha256={signature}",
            "X-Portal-Timestamp": str(timestamp),
        }
        return Message(body, headers)

    async def _data(self, delivery: Delivery) -> dict[str, Any]:
        if delivery.event in (Fact.APPOINTMENT_CREATED, Fact.APPOINTMENT_CANCELLED):
            return await self._appointment(delivery)
        call = (await self._calls.get(delivery.organization_uid, delivery.subject)).call
        return {
            "id": call.seq,
            "uuid": call.uid,
            "phone_number": call.party_number,
            "direction": call.direction.value,
            "duration": round(call.duration_s),
            "status": call.outcome.value if call.outcome else None,
            "created_at": z(call.created_at),
            "ended_at": maybe_z(call.ended_at),
        }

    async def _appointment(self, delivery: Delivery) -> dict[str, Any]:
        row = await self._appointments.get(delivery.organization_uid, delivery.subject)
        data: dict[str, Any] = {
            "id": row.seq,
            "customer": {"name": row.customer_name, "phone": row.customer_phone},
            "service": row.service,
            "scheduled_at": z(row.starts_at),
            "end_at": z(row.ends_at),
            "status": row.status.value,
            "source": row.source,
        }
        if delivery.event is Fact.APPOINTMENT_CANCELLED:
            data |= {"reason": delivery.data.get("reason", ""), "notify_customer": delivery.data.get("notify_customer")}
        else:
            data["send_confirmation"] = bool(delivery.data.get("send_confirmation"))
        return data

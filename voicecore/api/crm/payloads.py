"""What webhooks of this surface are sent: event, timestamp and data, and a signature as a fourth member.

The signature is sha256= and the HMAC-SHA256, in hex, of the body without it. Both are written with their members in
alphabetical order and nothing between them (RFC 8785), so that whoever takes the signature out and writes the rest down
again has the bytes that were signed.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from pipelines.errors import NotFound
from voicecore.api.crm.words import status_word, z
from voicecore.courier import Message
from voicecore.domain.webhooks import Delivery, Fact
from voicecore.services.calls import Calls
from voicecore.services.organizations import Organizations
from voicecore.services.webhooks import Due

EVENTS: dict[str, Fact] = {
    "deal.created": Fact.DEAL_CREATED,
    "deal.updated": Fact.DEAL_UPDATED,
    "lead.scored": Fact.LEAD_SCORED,
    "call.completed": Fact.CALL_ENDED,
    "invoice.paid": Fact.INVOICE_PAID,
}
WORDS = {fact: word for word, fact in EVENTS.items()}


class Payloads:
    def __init__(self, calls: Calls, organizations: Organizations) -> None:
        self._calls = calls
        self._organizations = organizations

    async def message(self, due: Due, timestamp: int) -> Message | None:
        delivery = due.delivery
        try:
            data = await self._data(delivery)
        except NotFound:
            return None
        told = {"event": WORDS[delivery.event], "timestamp": z(delivery.occurred_at), "data": data}
        return Message(signed(told, due.secret))

    async def _data(self, delivery: Delivery) -> dict[str, Any]:
        """Of a call, which is all that is announced so far."""
        call = (await self._calls.get(delivery.organization_uid, delivery.subject)).call
        return {
            "call_id": call.external_id,
            "agent_id": call.agent_id or None,
            "direction": call.direction.value,
            "status": status_word(call),
            "duration": round(call.duration_s),
            "from_number": call.from_number,
            "to_number": call.to_number,
            "metadata": call.metadata,
            "organization_id": await self._organizations.number(delivery.organization_uid),
        }


def signed(told: dict[str, Any], secret: str) -> bytes:
    """The body with its signature."""
    body = msgspec.json.encode(told, order="sorted")
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return msgspec.json.encode(told | {"signature": f"sha256={signature}"}, order="sorted")

"""Who is told of what outside, and what is on its way there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Fact(StrEnum):
    """What the core announces. Each surface has names of its own for them."""

    CALL_STARTED = "call.started"  # somebody calls us
    CALL_ENDED = "call.ended"
    APPOINTMENT_CREATED = "appointment.created"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    AGENT_ERROR = "agent.error"
    DEAL_CREATED = "deal.created"  # these four can be asked for already; nothing announces them yet
    DEAL_UPDATED = "deal.updated"
    LEAD_SCORED = "lead.scored"
    INVOICE_PAID = "invoice.paid"


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; may be asked for again


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """`surface` names and shapes what is sent."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    surface: str
    name: str = ""  # whatever a client calls it
    url: str
    events: tuple[Fact, ...]
    sealed_secret: str
    active: bool = True
    created_at: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is the external id of the call or appointment; what is sent is made of it when it is sent."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    subscription_uid: str
    event: Fact
    subject: str
    data: dict[str, Any] = {}
    occurred_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_at: datetime | None
    last_status: int | None = None
    last_error: str = ""
    created_at: datetime

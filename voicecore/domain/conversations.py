"""A dialogue in text with an agent: the same brain as on the telephone, and what it remembers between messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from pipelines.stages import Message


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """`phone` is the customer's number, "" when nobody said it. `created_at` is the "now" of the whole dialogue."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    agent_uid: str
    agent_id: str = ""
    channel: str = ""
    phone: str = ""
    customer_uid: str | None = None
    last_topic: str = ""
    metadata: dict[str, Any] = {}
    messages: tuple[Message, ...] = ()
    created_at: datetime
    updated_at: datetime


class Past(msgspec.Struct, frozen=True):
    """What there was before with whoever has a number: calls, conversations and logged interactions."""

    interactions: int = 0
    last_topic: str | None = None

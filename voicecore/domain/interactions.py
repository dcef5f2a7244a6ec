"""What happened between a customer and the business, by whatever channel: only ever added to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: phone_call, email … as the client calls it. `customer_id` is the customer's external id."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    customer_uid: str
    customer_id: str = ""
    kind: str
    channel: str = ""
    duration_s: float = 0.0
    outcome: str = ""
    notes: str = ""
    metadata: dict[str, Any] = {}
    created_at: datetime

"""When something that could not be sent is tried again, and when it is given up. It does not know what is sent."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from voicecore.domain import instants
from voicecore.domain.webhooks import DeliveryState

# Seconds from one attempt to the next: eleven attempts within a day.
BACK_OFF_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 36000)
LEASE = timedelta(seconds=60)  # for one attempt; longer than any takes
LONGEST_ERROR = 300  # characters


class Standing(msgspec.Struct, frozen=True):
    """Of a row after one more attempt."""

    state: DeliveryState
    attempts: int
    next_at: datetime | None
    last_error: str


def standing(attempts_before: int, error: str, *, final: bool = False, retry_after_s: float = 0.0) -> Standing:
    """`error` "": it succeeded. `final`: no other attempt can help. `retry_after_s`: not before that time."""
    attempts = attempts_before + 1
    if not error:
        return Standing(DeliveryState.DELIVERED, attempts, None, "")
    error = error[:LONGEST_ERROR]
    if final or attempts > len(BACK_OFF_S):
        return Standing(DeliveryState.DEAD, attempts, None, error)
    wait_s = max(float(BACK_OFF_S[attempts - 1]), retry_after_s)
    return Standing(DeliveryState.PENDING, attempts, instants.now() + timedelta(seconds=wait_s), error)

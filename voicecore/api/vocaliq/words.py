"""This surface's clock format and vocabulary: core facts ↔ the words of the document."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipelines.errors import ValidationError
from voicecore.domain import instants
from voicecore.domain.calls import Call, CallStatus, Outcome

INITIATED, IN_PROGRESS, COMPLETED, FAILED = "initiated", "in-progress", "completed", "failed"

_RUNNING = {
    CallStatus.SCHEDULED: INITIATED,
    CallStatus.QUEUED: INITIATED,
    CallStatus.RINGING: INITIATED,
    CallStatus.ANSWERED: IN_PROGRESS,
}
STATUS_FILTERS: dict[str, tuple[tuple[CallStatus, ...], tuple[Outcome, ...]]] = {
    INITIATED: (tuple(s for s, word in _RUNNING.items() if word == INITIATED), ()),
    IN_PROGRESS: ((CallStatus.ANSWERED,), ()),
    COMPLETED: ((), (Outcome.COMPLETED,)),
    FAILED: ((), (Outcome.FAILED, Outcome.MISSED)),
}


def z(at: datetime) -> str:
    """ "2024-01-20T10:00:00Z": whole seconds, as the document shows them."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_z(at: datetime | None) -> str | None:
    return None if at is None else z(at)


def optional_moment(
    name: str, text: str | None, tz: ZoneInfo | None = None, *, end_of_day: bool = False
) -> datetime | None:
    """ISO 8601 in the member `name`, of `tz` (else UTC) when it names no zone. Raises ValidationError."""
    return _read(name, text, lambda given: instants.parse(given, tz or ZoneInfo("UTC"), end_of_day=end_of_day))


def last_moment(name: str, text: str | None, tz: ZoneInfo) -> datetime | None:
    """Where a span ends that includes this day or second. Raises ValidationError."""
    return _read(name, text, lambda given: instants.parse_end(given, tz))


def _read(name: str, text: str | None, parse: Callable[[str], datetime]) -> datetime | None:
    if not text:
        return None
    try:
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise ValidationError("Invalid input data", ((name, "not an ISO 8601 date or time"),)) from error


def status_word(call: Call) -> str:
    if call.status is not CallStatus.ENDED:
        return _RUNNING[call.status]
    return COMPLETED if call.outcome is Outcome.COMPLETED else FAILED


def pages(total: int, limit: int) -> int:
    return math.ceil(total / limit)

"""This surface's ids, clock and vocabulary: core facts ↔ the words of the document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipelines.errors import NotFound, ValidationError
from voicecore.api.kit import Exchange
from voicecore.api.parsing import INVALID
from voicecore.domain import instants
from voicecore.domain.accounts import Role
from voicecore.domain.calls import Call, CallStatus, Outcome

RINGING, ANSWERED, COMPLETED, FAILED = "ringing", "answered", "completed", "failed"
_RUNNING = {
    CallStatus.SCHEDULED: RINGING,
    CallStatus.QUEUED: RINGING,
    CallStatus.RINGING: RINGING,
    CallStatus.ANSWERED: ANSWERED,
}
# What the document has a word for: a call that is to begin later is none yet.
STATUS_FILTERS: dict[str | None, tuple[tuple[CallStatus, ...], tuple[Outcome, ...]]] = {
    None: ((CallStatus.QUEUED, CallStatus.RINGING, CallStatus.ANSWERED, CallStatus.ENDED), ()),
    RINGING: ((CallStatus.QUEUED, CallStatus.RINGING), ()),
    ANSWERED: ((CallStatus.ANSWERED,), ()),
    COMPLETED: ((), (Outcome.COMPLETED,)),
    FAILED: ((), (Outcome.FAILED, Outcome.MISSED)),
}
LARGEST_ID = 2**31 - 1  # of an integer in the database


def z(at: datetime) -> str:
    """ "2024-01-01T00:00:00Z": UTC in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_z(at: datetime | None) -> str | None:
    return None if at is None else z(at)


def status_word(call: Call) -> str:
    if call.status is not CallStatus.ENDED:
        return _RUNNING[call.status]
    return COMPLETED if call.outcome is Outcome.COMPLETED else FAILED


def role_word(roles: Sequence[str]) -> str:
    """The document shows one: the one that may do most."""
    return next((role.value for role in Role if role.value in roles), Role.USER.value)


def number(text: str) -> int | None:
    """An id as this surface counts. None: it is no such number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= LARGEST_ID else None


def path_number(exchange: Exchange, name: str, missing: str) -> int:
    """What is no number names nothing: raises NotFound."""
    found = number(exchange.path(name))
    if found is None:
        raise NotFound(missing)
    return found


def moment(name: str, text: str | None, tz: ZoneInfo, *, after: bool = False) -> datetime | None:
    """ISO 8601 in the parameter `name`, of `tz` when it names no zone; `after` that day, or that second, as times are
    shown in whole ones. Raises ValidationError."""
    if not text:
        return None
    try:
        return instants.parse_end(text, tz) if after else instants.parse(text, tz)
    except (ValueError, OverflowError) as error:
        raise ValidationError(INVALID, ((name, "not an ISO 8601 date or time"),)) from error

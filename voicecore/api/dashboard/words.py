"""This surface's ids, clock and vocabulary: core facts ↔ the words of the document."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from pipelines.errors import NotFound
from pipelines.events import EndReason
from voicecore.api.kit import Exchange

# The document shows the first. The others follow its pattern; what is missing here is the core's word with hyphens.
_ENDED_REASONS = {
    EndReason.CALLER_HANGUP: "customer-ended-call",
    EndReason.AGENT_HANGUP: "assistant-ended-call",
    EndReason.CALLER_SILENT: "silence-timed-out",
    EndReason.MAX_DURATION: "exceeded-max-duration",
    EndReason.TRANSFERRED: "assistant-forwarded-call",
}
UNKNOWN_REASON = "unknown"


def unix(at: datetime) -> int:
    """Whole unix seconds: the clock of all records."""
    return int(at.timestamp())


def z(at: datetime) -> str:
    """ "2025-01-15T10:30:00Z": connections and webhook events only."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ended_reason(reason: EndReason | None) -> str:
    if reason is None:
        return UNKNOWN_REASON
    return _ENDED_REASONS.get(reason) or reason.value.replace("_", "-")


def percent(part: int, whole: int) -> float:
    """Of one total, to one decimal; 0 of nothing is 0."""
    return round(100 * part / whole, 1) if whole else 0.0


def known_uid(text: str, missing: str) -> str:
    """An id as we keep it. What is no uuid names nothing: raises NotFound."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFound(missing) from error


def path_uid(exchange: Exchange, name: str, missing: str) -> str:
    return known_uid(exchange.path(name), missing)


def base_url(public_url: str, exchange: Exchange) -> str:
    """How clients reach this server, without a slash at the end; "" takes the request's own."""
    return public_url.rstrip("/") or str(exchange.http.url.origin())

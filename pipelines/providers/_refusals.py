"""What an HTTP status of a provider means for a call: who may be asked next, and when this one again (RFC 9110)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from pipelines.errors import KeyRefused, Remedy, StageError

LONGEST_S = 3600.0  # what is asked for beyond that is not believed
SHOWN = 200  # characters of a provider's own message
PASSING = frozenset({408, 409, 425, 500, 502, 503, 504, 529})


def refused(status: int, headers: Mapping[str, str], message: str, *, stage: str, provider: str) -> StageError:
    """The error for an answer of 400 or more. The message is the provider's; a key is never part of it."""
    kind = KeyRefused if status in (401, 403) else StageError
    return kind(
        f"HTTP {status}: {' '.join(message.split())[:SHOWN]}",
        stage=stage,
        provider=provider,
        remedy=Remedy.RETRY if status in PASSING else Remedy.SWITCH,
        retry_after_s=retry_after_s(headers),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds (RFC 9110 §10.2.3: a number or a date); None without one, or with nonsense."""
    text = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_S)

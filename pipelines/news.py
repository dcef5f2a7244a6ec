"""What the fallbacks tell a call: who took over from whom, who was asked as well, who is left alone for a while.

Each becomes one event of the call. It knows neither engines nor requests.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.events import EventKind


class Reason(StrEnum):
    """Why another engine was asked. Closed: a label of metrics."""

    ERROR = "error"  # it broke, and may work again
    TIMEOUT = "timeout"  # it gave nothing in its time
    REFUSED = "refused"  # it cannot or may not
    RATE_LIMITED = "rate_limited"  # it said for how long it does not want to be asked
    INVALID = "invalid"  # the request is wrong: nobody else was asked
    BENCHED = "benched"  # it failed lately
    BUSY = "busy"  # as many requests as it takes at once

    @classmethod
    def of(cls, error: StageError) -> Reason:
        if isinstance(error, StageTimeout):
            return cls.TIMEOUT
        if error.retry_after_s is not None:
            return cls.RATE_LIMITED
        return {Remedy.RETRY: cls.ERROR, Remedy.SWITCH: cls.REFUSED, Remedy.STOP: cls.INVALID}[error.remedy]


class Switched(msgspec.Struct, frozen=True):
    """An engine failed or was passed over. `to` is who is asked instead, itself when it is tried again; "" when nobody
    was left. `midway`: it had begun to answer, and `to` is asked for the rest."""

    stage: str
    provider: str
    to: str
    error: str
    reason: Reason = Reason.ERROR
    midway: bool = False

    @property
    def kind(self) -> EventKind:
        return EventKind.STAGE_SWITCHED if self.to else EventKind.STAGE_FAILED


class Hedged(msgspec.Struct, frozen=True):
    """`provider` had given nothing in its time, so `to` was asked as well. `winner` gave the first output; "" when the
    race was broken off, or `to` failed in it."""

    stage: str
    provider: str
    to: str
    winner: str
    kind = EventKind.STAGE_HEDGED


class Benched(msgspec.Struct, frozen=True):
    """An engine is not asked for so long while there is another."""

    stage: str
    provider: str
    seconds: float
    error: str
    kind = EventKind.STAGE_BENCHED


News = Switched | Hedged | Benched
Report = Callable[[News], None]


def data_of(news: News) -> dict[str, Any]:
    """The event's data."""
    data: dict[str, Any] = msgspec.to_builtins(news)
    return data

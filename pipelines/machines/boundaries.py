"""Boundaries of speech, as the endpointer tells them. Times are call time, in milliseconds."""

from __future__ import annotations

import msgspec


class SpeechStarted(msgspec.Struct, frozen=True):
    at_ms: float  # first sample


class SpeechPaused(msgspec.Struct, frozen=True):
    """A stable pause: recognition can be flushed now, the turn may go on."""

    speech_end_ms: float


class SpeechResumed(msgspec.Struct, frozen=True):
    at_ms: float


class TurnEnded(msgspec.Struct, frozen=True):
    speech_end_ms: float
    decided_ms: float


Boundary = SpeechStarted | SpeechPaused | SpeechResumed | TurnEnded

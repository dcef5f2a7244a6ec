"""Is the caller speaking, and has the turn ended: frames of yes/no in, boundaries of speech out.

Two rules hold everywhere. Time is counted in call time of the frames, never in arrival time. The wait
for the end of a turn runs from the last sample of speech and is re-evaluated with every silent frame,
so a hint (a transcript, an expected answer) shortens or lengthens a wait that already runs.

SILENT → STARTING → SPEAKING → PAUSED → (SPEAKING | SILENT). It knows nothing of agents or audio.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from config.schema import TurnPolicy
from pipelines.machines.patience import Patience

PAUSE_MS = 140.0  # a stable pause: longer than the closure of a plosive, shorter than any turn's end
BRIDGE_MS = 100.0  # silence inside a starting word that does not restart it


class Speech(Enum):
    """States of the caller's voice."""

    SILENT = auto()
    STARTING = auto()
    SPEAKING = auto()
    PAUSED = auto()


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


class Endpointer:
    """Feed it one frame at a time; it answers with the boundary that this frame completes, or None."""

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._start_ms = float(policy.speech_start_ms)
        self.patience = Patience(policy, language)
        self.state = Speech.SILENT
        self.started_ms = 0.0
        self.last_speech_ms = 0.0
        self._voiced_ms = 0.0  # speech since STARTING, or since the pause that is being left

    @property
    def speech_ms(self) -> float:
        """Span of the current utterance so far; 0 when silent."""
        return 0.0 if self.state is Speech.SILENT else self.last_speech_ms - self.started_ms

    def feed(self, start_ms: float, end_ms: float, speech: bool) -> Boundary | None:
        if speech:
            return self._voiced(start_ms, end_ms)
        if self.state is Speech.SILENT:
            return None
        return self._unvoiced(end_ms)

    def reset(self) -> None:
        """Whatever was going on is over (a false alarm, a cancelled utterance)."""
        self.state = Speech.SILENT
        self.patience.new_turn()

    def _voiced(self, start_ms: float, end_ms: float) -> Boundary | None:
        if self.state is Speech.SILENT:
            self.state = Speech.STARTING
            self.started_ms = start_ms
            self._voiced_ms = 0.0
        self._voiced_ms += end_ms - start_ms
        if self.state is Speech.PAUSED:
            if self._voiced_ms < self._start_ms:
                return None  # a click inside the pause does not restart the turn
            pause_ms = start_ms - self.last_speech_ms
            self.state = Speech.SPEAKING
            self.last_speech_ms = end_ms
            self.patience.paused_inside_turn(pause_ms)
            return SpeechResumed(start_ms)
        self.last_speech_ms = end_ms
        if self.state is Speech.STARTING and self._voiced_ms >= self._start_ms:
            self.state = Speech.SPEAKING
            return SpeechStarted(self.started_ms)
        return None

    def _unvoiced(self, end_ms: float) -> Boundary | None:
        silence_ms = end_ms - self.last_speech_ms
        if self.state is Speech.STARTING:
            if silence_ms >= BRIDGE_MS:
                self.state = Speech.SILENT
            return None
        if self.state is Speech.SPEAKING:
            if silence_ms < PAUSE_MS:
                return None
            self.state = Speech.PAUSED
            self._voiced_ms = 0.0
            return SpeechPaused(self.last_speech_ms)
        self._voiced_ms = max(0.0, self._voiced_ms - BRIDGE_MS / 10)
        if silence_ms < self.patience.wait_ms():
            return None
        self.state = Speech.SILENT
        return TurnEnded(self.last_speech_ms, end_ms)

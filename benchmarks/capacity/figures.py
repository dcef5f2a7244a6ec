"""What the callers of one process have measured: answers, gaps, what was missed, and the generator's own lateness.

It knows no sockets and no clock. Only answers to utterances that ended inside the window count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from pipelines.audio import FRAME_MS

# Our voice detector judges blocks of half a second: where in one of them an utterance begins may shift its end by
# some frames.
BLOCK_FRAMES = 500 // FRAME_MS


class Answer(msgspec.Struct):
    """One utterance and the answer to it, in milliseconds of the generator's clock."""

    utterance: str
    turn: int  # of the call, from 0
    lead: int  # frames that the call had sent when the utterance began
    speech_end_ms: float
    voiced_end_ms: float
    first_ms: float = 0.0  # the first message of audible audio arrived
    slack_ms: float = 1e9  # least audio that the carrier still had when more arrived; negative: it was late
    gaps: int = 0

    @property
    def response_ms(self) -> float:
        """Last audible sample of the caller → first audio of the answer."""
        return self.first_ms - self.speech_end_ms


class Expected(msgspec.Struct, frozen=True):
    """Last audible sample → first audio of the answer, in milliseconds."""

    early: dict[tuple[str, int, int], float]  # by utterance, place in a block and turn, until we know the caller
    later: dict[tuple[str, int], float]  # by utterance and place in a block

    def of(self, answer: Answer) -> float:
        place = answer.lead % BLOCK_FRAMES
        known = self.early.get((answer.utterance, place, answer.turn))
        return self.later[answer.utterance, place] if known is None else known


class Figures:
    """Counters of all calls. `open_window` starts afresh."""

    def __init__(self) -> None:
        self.protocol_errors = 0
        self.lost_calls = 0
        self.refused_calls = 0
        self.open_window()

    def open_window(self) -> None:
        self.answers: list[Answer] = []
        self.barge_ins_ms: list[float] = []
        self.utterances = 0
        self.missed_turns = 0
        self.premature = 0
        self.media_received = 0
        self.frames_sent = 0
        self.clears = 0
        self.lateness_ms: list[float] = []

    def finish(self, answer: Answer | None) -> None:
        if answer is not None and answer.first_ms:
            self.answers.append(answer)

    def barge_in(self, waited_ms: float) -> None:
        self.barge_ins_ms.append(waited_ms)


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank; NaN for none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Percentiles by name; NaN for none."""
    return {name: round(percentile(values, p), 1) for name, p in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))}

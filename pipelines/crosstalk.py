"""What is heard while the agent is audible, frame by frame: how much of it is a voice that speaks to us.

A voice that speaks to us is voiced, as loud as this caller is in his own turns, and not our own echo. It decides
nothing. It costs nothing but while both are heard.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np

from pipelines.audio import FRAME_MS, rms
from pipelines.ear import Ear
from pipelines.machines.echo import LONGEST_DELAY_MS, Echo
from pipelines.machines.overlap import YIELD_MS, Asked, Evidence
from pipelines.mouth import Mouth

SOFTER = 0.4  # -8 dB: the caller's own voice when he turns away from the telephone
FAINTEST_RMS = 150.0  # -47 dBFS
TURNS_REMEMBERED = 5
SAMPLED_EACH = 3  # looks: 300 ms, which is as long as what is kept of the caller's audio
# A voice repeats itself 70 to 400 times a second; breath and noise do not.
SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS = 2.5, 14.0
ECHO_BLURS_MS = 60.0
VOICED = 0.45  # normalised autocorrelation at the period


class Crosstalk:
    """One call's."""

    __slots__ = (
        "_agent_over_ms",
        "_checked_ms",
        "_ear",
        "_echo",
        "_echo_ms",
        "_levels",
        "_looks",
        "_loudest",
        "_mouth",
        "_rate_hz",
        "_soft_ms",
        "_started_ms",
        "_strong_ms",
    )

    def __init__(self, ear: Ear, mouth: Mouth, rate_hz: int) -> None:
        self._ear = ear
        self._mouth = mouth
        self._rate_hz = rate_hz
        self._echo = Echo()
        self._levels: deque[float] = deque(maxlen=TURNS_REMEMBERED)  # of the caller's own turns
        self._loudest = 0.0  # of the running turn
        self._looks = 0
        self._begin(0.0)

    # --- how loud the caller is ---------------------------------------------------------------------

    def sample(self) -> None:
        """To be called each 100 ms during the caller's own turn."""
        self._looks += 1
        if self._looks % SAMPLED_EACH:
            return
        self._loudest = max(self._loudest, self._ear.level())

    def turn_over(self) -> None:
        if self._loudest:
            self._levels.append(self._loudest)
        self._loudest = 0.0

    @property
    def _loud(self) -> float:
        return max(FAINTEST_RMS, SOFTER * median(self._levels) if self._levels else 0.0)

    # --- an overlap ---------------------------------------------------------------------------------

    def _begin(self, started_ms: float) -> None:
        self._started_ms = started_ms
        self._strong_ms = 0.0
        self._checked_ms = 0.0  # strong sound that was compared with our own voice
        self._soft_ms = self._echo_ms = 0.0
        self._agent_over_ms: float | None = None

    def begin(self, started_ms: float, now_ms: float) -> Asked:
        """Something is heard over the agent. Answers with what that was just saying."""
        self._begin(started_ms)
        frames = self._ear.recent
        count = min(len(frames) - 1, int((now_ms - started_ms) // FRAME_MS))
        for index in range(len(frames) - count, len(frames)):
            self._weigh(frames[index - 1], frames[index], now_ms - (len(frames) - 1 - index) * FRAME_MS)
        playout = self._mouth.playout
        question = playout.in_last_text(now_ms).rstrip("\"')» ").endswith("?")
        return Asked(question, playout.unheard_ms(now_ms))

    def frame(self, end_ms: float) -> Evidence:
        """The newest frame of the overlap."""
        endpointer = self._ear.endpointer
        if endpointer.last_speech_ms == end_ms:
            self._weigh(self._ear.recent[-2], self._ear.recent[-1], end_ms)
        return self.evidence(end_ms)

    def evidence(self, now_ms: float) -> Evidence:
        endpointer = self._ear.endpointer
        over_ms = self._mouth.playout.ends_ms
        return Evidence(
            speech_ms=endpointer.last_speech_ms - self._started_ms,
            strong_ms=self._strong_ms,
            silence_ms=now_ms - endpointer.last_speech_ms,
            text=self._ear.partial,
            reason="echo" if self._echo_ms > self._soft_ms else "aside" if self._soft_ms else "noise",
            after_ms=endpointer.last_speech_ms - over_ms,
        )

    def _weigh(self, before: bytes, pcm: bytes, end_ms: float) -> None:
        level = rms(pcm)
        if level < self._echo_level(end_ms):
            self._echo_ms += FRAME_MS
        elif not self._voiced(before, pcm):
            return
        elif level < self._loud:
            self._soft_ms += FRAME_MS
        else:
            self._strong_ms += FRAME_MS
            if self._strong_ms - self._checked_ms >= max(YIELD_MS, self._checked_ms):  # each time as much again
                self._check_echo(end_ms)

    def _check_echo(self, end_ms: float) -> None:
        """Before the agent gives way: is it himself?"""
        received = np.frombuffer(b"".join(self._ear.recent), np.int16)
        length_ms = len(received) * 1000 / self._rate_hz
        sent = self._mouth.sounded(end_ms - length_ms - LONGEST_DELAY_MS, end_ms, self._rate_hz)
        if self._echo.explains(received, np.frombuffer(sent, np.int16), self._rate_hz):
            self._echo_ms += self._strong_ms
            self._strong_ms = 0.0
        self._checked_ms = self._strong_ms

    def _echo_level(self, end_ms: float) -> float:
        """What a sound of our own may come back with; 0 where no echo was ever heard."""
        if not self._echo.gain:
            return 0.0
        then_ms = end_ms - self._echo.delay_ms
        sent = self._mouth.sounded(then_ms - ECHO_BLURS_MS, min(then_ms + FRAME_MS, end_ms), self._rate_hz)
        return self._echo.level(rms(sent))

    def _voiced(self, before: bytes, pcm: bytes) -> bool:
        """Does this frame repeat itself as a voice does?"""
        pairs = np.frombuffer(before + pcm, np.int16).reshape(-1, 2).sum(axis=1, dtype=np.float64)  # half the rate
        first, last = (int(ms * self._rate_hz / 2000) for ms in (SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS))
        count = len(pairs) - last
        products = np.correlate(pairs[first:], pairs[:count], "valid")
        earlier, later = pairs[:count], pairs[last:]
        return bool(products.max() >= VOICED * float((earlier @ earlier) * (later @ later)) ** 0.5 > 0.0)

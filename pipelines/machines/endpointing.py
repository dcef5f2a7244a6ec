"""Is the caller speaking, and has the turn ended: frames of yes/no in, boundaries of speech out.

Two rules hold everywhere. Time is counted in call time of the frames, never in arrival time. The wait
for the end of a turn runs from the last sample of speech and is re-evaluated with every silent frame,
so a hint (a transcript, an expected answer) shortens or lengthens a wait that already runs.

SILENT → STARTING → SPEAKING → PAUSED → (SPEAKING | SILENT). It knows nothing of agents or audio.
"""

from __future__ import annotations

from enum import Enum, auto

from config.schema import TurnPolicy
from pipelines.machines.boundaries import Boundary, SpeechPaused, SpeechResumed, SpeechStarted, TurnEnded
from pipelines.machines.patience import Patience
from pipelines.machines.words import words_of

PAUSE_MS = 100.0  # a stable pause: longer than nearly every closure of a plosive, shorter than any turn's end
UNHURRIED_MS = 60.0  # audio that may be gathered while no boundary can fall due: three frames; below PAUSE_MS
CUT_OFF_WITHIN_MS = 1000.0  # speech so soon after a decision, and so long, belongs to the turn that was cut off
CUT_OFF_SPEECH_MS = 400.0
BRIDGE_MS = 100.0  # silence inside a starting word that does not restart it
NOISE_MS = 450.0  # a sound in the pause, no longer than this and without a word, does not restart the wait
AFTER_NOISE_MS = 250.0  # but it has to be over for so long: it may have been the beginning of a word


class Speech(Enum):
    """States of the caller's voice."""

    SILENT = auto()
    STARTING = auto()
    SPEAKING = auto()
    PAUSED = auto()


class Endpointer:
    """Feed it one frame at a time; it answers with the boundary that this frame completes, or None.

    `hurried`: the next frame may complete a boundary. While it is False no boundary can fall due within the
    next `UNHURRIED_MS`, so up to that much audio may be gathered and fed back to back: nothing comes later.
    """

    __slots__ = (
        "_cut_off",
        "_decided_ms",
        "_ended_ms",
        "_hasty",
        "_resumed_ms",
        "_said",
        "_said_ms",
        "_since_ms",
        "_start_ms",
        "_voiced_ms",
        "hurried",
        "last_speech_ms",
        "patience",
        "started_ms",
        "state",
    )

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._start_ms = float(policy.speech_start_ms)
        self._hasty = self._start_ms < UNHURRIED_MS  # speech may start sooner than that
        self.patience = Patience(policy, language)
        self.state = Speech.SILENT
        self.hurried = self._hasty
        self.started_ms = 0.0
        self.last_speech_ms = 0.0
        self._ended_ms = 0.0  # last sample of the turn before, and when it was taken for over
        self._decided_ms = -CUT_OFF_WITHIN_MS
        self._cut_off = False  # that may have been too soon
        self._voiced_ms = 0.0  # speech since STARTING, or since the pause that is being left
        self._resumed_ms = 0.0  # when the newest stretch of speech began
        self._since_ms = 0.0  # the wait counts from then on: the last speech, or the last with a word in it
        self._said: list[str] = []  # words until the newest pause in which there were new ones, and when that began
        self._said_ms = 0.0

    @property
    def speech_ms(self) -> float:
        """Span of the current utterance so far; 0 when silent."""
        return 0.0 if self.state is Speech.SILENT else self.last_speech_ms - self.started_ms

    def feed(self, start_ms: float, end_ms: float, speech: bool) -> Boundary | None:
        state = self.state
        if speech:
            if state is Speech.SPEAKING:
                self.last_speech_ms = end_ms
                self.hurried = False
                return None
            return self._voiced(start_ms, end_ms)
        if state is Speech.SILENT:
            return None
        return self._unvoiced(end_ms)

    def heard(self, text: str) -> None:
        """The text of everything up to the present pause; without effect when that is over."""
        if self.state is not Speech.PAUSED:
            return
        words = words_of(text)
        if words and words == self._said and self.last_speech_ms - self._resumed_ms <= NOISE_MS:
            self._since_ms = self._said_ms
            self.patience.paused_on()
        else:
            self._said, self._said_ms = words, self.last_speech_ms
        self.patience.heard(text)

    def detected(self, probability: float, pause_ms: float) -> None:
        """A detector's answer about the pause that began at `pause_ms`; without effect when that one is over."""
        if self.state is Speech.PAUSED and self.last_speech_ms == pause_ms:
            self.patience.detected(probability)

    def went_on(self) -> None:
        """The speech that has just started belongs to the turn before, whose end was decided too soon."""
        self._cut_off = False
        self.patience.cut_off(self.started_ms - self._ended_ms)

    def reset(self) -> None:
        """Whatever was going on is over (a false alarm, a cancelled utterance)."""
        self._go(Speech.SILENT)
        self._cut_off = False
        self._said = []
        self.patience.new_turn()

    def _go(self, state: Speech) -> None:
        """Speech has just been heard on the way to SPEAKING, silence on every other way."""
        self.state = state
        self.hurried = self._hasty if state is Speech.SILENT else state is not Speech.SPEAKING

    def _voiced(self, start_ms: float, end_ms: float) -> Boundary | None:
        if self.state is Speech.SILENT:
            self._go(Speech.STARTING)
            self.started_ms = start_ms
            self._voiced_ms = 0.0
        self._voiced_ms += end_ms - start_ms
        if self.state is Speech.PAUSED:
            if self._voiced_ms < self._start_ms:
                return None  # a click inside the pause does not restart the turn
            pause_ms = start_ms - self.last_speech_ms
            self._go(Speech.SPEAKING)
            self.last_speech_ms = end_ms
            self._resumed_ms = start_ms
            self.patience.paused_inside_turn(pause_ms)
            return SpeechResumed(start_ms)
        self.last_speech_ms = end_ms
        if self._voiced_ms >= self._start_ms:
            self._go(Speech.SPEAKING)
            self._cut_off = self.started_ms - self._decided_ms < CUT_OFF_WITHIN_MS
            return SpeechStarted(self.started_ms)
        return None

    def _unvoiced(self, end_ms: float) -> Boundary | None:
        silence_ms = end_ms - self.last_speech_ms
        if self.state is Speech.STARTING:
            if silence_ms >= BRIDGE_MS:
                self._go(Speech.SILENT)
            return None
        if self.state is Speech.SPEAKING:
            self.hurried = True
            if silence_ms < PAUSE_MS:
                return None
            self._go(Speech.PAUSED)
            self._since_ms = self.last_speech_ms
            self._voiced_ms = 0.0
            if self._cut_off and self.last_speech_ms - self.started_ms >= CUT_OFF_SPEECH_MS:
                self._cut_off = False
                self.patience.cut_off_after(self._decided_ms - self._ended_ms)
            return SpeechPaused(self.last_speech_ms)
        self._voiced_ms = max(0.0, self._voiced_ms - BRIDGE_MS / 10)
        wait_ms = self.patience.wait_ms()
        if end_ms - self._since_ms < wait_ms or silence_ms < min(wait_ms, AFTER_NOISE_MS):
            return None
        self._go(Speech.SILENT)
        self._said = []
        self._ended_ms, self._decided_ms = self.last_speech_ms, end_ms
        self.patience.turn_ended()
        return TurnEnded(self.last_speech_ms, end_ms)

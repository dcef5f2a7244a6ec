"""The deadlines of one call, looked at every 100 ms: silences that last too long, and calls that do.

It has fillers and questions spoken; that the call has to end it only says.
"""

from __future__ import annotations

from config.schema import CallLimits
from pipelines.events import EndReason, EventKind
from pipelines.machines.silence import Silence
from pipelines.machines.turns import Floor, TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.phrases import Phrases
from pipelines.speaker import Speaker


class Deadlines:
    """Time is an argument, in call time."""

    __slots__ = (
        "_floor",
        "_longest_call_ms",
        "_minutes",
        "_mouth",
        "_phrases",
        "_silence",
        "_speaker",
    )

    def __init__(
        self,
        limits: CallLimits,
        phrases: Phrases,
        floor: TurnMachine,
        silence: Silence,
        mouth: Mouth,
        speaker: Speaker,
        minutes: Minutes,
    ) -> None:
        self._longest_call_ms = limits.max_call_s * 1000.0
        self._phrases = phrases
        self._floor = floor
        self._silence = silence
        self._mouth = mouth
        self._speaker = speaker
        self._minutes = minutes

    def look(self, now_ms: float) -> EndReason | None:
        """Why it is time to say goodbye; None when it is not."""
        if now_ms > self._longest_call_ms:
            return EndReason.MAX_DURATION
        floor = self._floor.floor
        if floor is Floor.LISTENING and self._silence.caller_silent(now_ms):
            return self._caller_silent(now_ms)
        if floor in (Floor.THINKING, Floor.SPEAKING):
            playout = self._mouth.playout
            at_voice = self._speaker.at_voice
            if not playout.waiting and self._silence.filler_due(now_ms, playout.ends_ms, at_voice=at_voice):
                self._speaker.fill()
        return None

    def _caller_silent(self, now_ms: float) -> EndReason | None:
        self._minutes.event(EventKind.CALLER_SILENT, reprompts=self._silence.reprompts)
        if not self._silence.ask_again(now_ms):
            return EndReason.CALLER_SILENT
        self._speaker.say(self._phrases.still_there)
        return None

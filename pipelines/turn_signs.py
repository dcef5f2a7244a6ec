"""Lets a recogniser that hears turns move the wait for the end of a turn, as a detector of turns does.

It stands beside the recogniser's session and in front of nothing: a sign that comes too late changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.abilities import TurnEvent, TurnSign
from pipelines.machines.endpointing import Endpointer, Speech

# An END is the engine's own decision at its own threshold, an EAGER_END one that it expects to take back now and
# then: below these probabilities neither may count, or a sign of an end would lengthen the wait.
AT_LEAST = {TurnEvent.END: 0.95, TurnEvent.EAGER_END: 0.6, TurnEvent.RESUMED: 0.0}
STILL_SPEAKING = 0.1  # a RESUMED in what is a pause to us: it hears more than we do


class TurnSigns:
    """One call's: what `HearsTurns.hear_turns` is given. `reconsider` is called when the wait has become another."""

    def __init__(self, endpointer: Endpointer, reconsider: Callable[[], None]) -> None:
        self._endpointer = endpointer
        self._reconsider = reconsider

    def __call__(self, sign: TurnSign) -> None:
        if self._endpointer.state is not Speech.PAUSED:
            return
        resumed = sign.event is TurnEvent.RESUMED
        probability = STILL_SPEAKING if resumed else max(sign.probability, AT_LEAST[sign.event])
        self._endpointer.detected(probability, self._endpointer.last_speech_ms)
        self._reconsider()

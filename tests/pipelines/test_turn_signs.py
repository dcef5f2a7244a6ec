"""A recogniser's signs move the wait for the end of a turn, and only where there is one."""

from __future__ import annotations

import pytest

from config.schema import TurnPolicy
from pipelines.abilities import TurnEvent, TurnSign
from pipelines.machines.endpointing import Endpointer, Speech
from pipelines.turn_signs import TurnSigns

FRAME_MS = 20.0


class Call:
    """A caller who spoke for a second, and what the signs bring about."""

    def __init__(self) -> None:
        self.endpointer = Endpointer(TurnPolicy())
        self.reconsidered = 0
        self.signs = TurnSigns(self.endpointer, self._reconsider)
        self._now_ms = 0.0
        self.frames(1000, speech=True)

    def pause(self) -> None:
        self.frames(140, speech=False)
        assert self.endpointer.state is Speech.PAUSED
        self.endpointer.patience.heard("I would like to book an appointment")

    def _reconsider(self) -> None:
        self.reconsidered += 1

    def frames(self, ms: float, *, speech: bool) -> None:
        for _ in range(int(ms / FRAME_MS)):
            self.endpointer.feed(self._now_ms, self._now_ms + FRAME_MS, speech)
            self._now_ms += FRAME_MS

    @property
    def wait_ms(self) -> float:
        return self.endpointer.patience.wait_ms()


@pytest.mark.parametrize("event", [TurnEvent.EAGER_END, TurnEvent.END])
def test_a_sign_of_the_end_shortens_the_wait_however_unsure_it_is(event: TurnEvent) -> None:
    call = Call()
    call.pause()
    before_ms = call.wait_ms
    call.signs(TurnSign(event, 0.3))
    assert call.wait_ms < before_ms
    assert call.reconsidered == 1


def test_an_end_shortens_it_more_than_a_possible_end() -> None:
    waits = []
    for event in (TurnEvent.EAGER_END, TurnEvent.END):
        call = Call()
        call.pause()
        call.signs(TurnSign(event, 0.5))
        waits.append(call.wait_ms)
    assert waits[1] < waits[0]


def test_speech_that_goes_on_for_the_recogniser_lengthens_it() -> None:
    call = Call()
    call.pause()
    before_ms = call.wait_ms
    call.signs(TurnSign(TurnEvent.EAGER_END, 0.9))
    call.signs(TurnSign(TurnEvent.RESUMED, 0.2))
    assert call.wait_ms > before_ms


def test_nothing_happens_while_the_caller_speaks() -> None:
    call = Call()
    before_ms = call.wait_ms
    call.signs(TurnSign(TurnEvent.END, 1.0))
    assert call.wait_ms == before_ms
    assert not call.reconsidered

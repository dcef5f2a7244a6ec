"""What is heard over the agent: only a voice that speaks to it has weight."""

from __future__ import annotations

import numpy as np
import pytest
from screenplay import GREETING, OFFER, Call
from scripted import Line
from virtual_time import in_virtual_time

from pipelines.audio import FRAME_MS, TELEPHONE, from_pcm16, silence, to_pcm16
from pipelines.events import EventKind
from pipelines.stages import Expect

DELAY_MS = 120.0


def returned(call: Call, below_db: float) -> bytes:
    """The next 20 ms of the agent's own voice, as they come back to it."""
    from_ms = call.now - DELAY_MS
    heard = b"".join(audio for at, audio in call.carrier.frames if from_ms <= at < from_ms + FRAME_MS)
    heard = (heard + silence(TELEPHONE, FRAME_MS))[: FRAME_MS * 8]
    samples = np.frombuffer(to_pcm16(heard, TELEPHONE.codec), np.int16) * 10 ** (-below_db / 20)
    return from_pcm16(samples.astype("<i2").tobytes(), TELEPHONE.codec)


@pytest.mark.parametrize("below_db", [20.0, 26.0])
def test_the_agent_does_not_interrupt_itself(below_db: float) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Call() as call:
            while not call.records.turns:
                call._queue += returned(call, below_db)
                await call.wait(FRAME_MS)
            await call.wait(3000)
            assert call.carrier.heard() == GREETING
            assert call.carrier.times("clear") == []
            assert call.events(EventKind.BARGE_IN) == []
            assert {e.data["reason"] for e in call.events(EventKind.FALSE_ALARM)} == {"echo"}
            assert call.model.requests == []

    play()


@in_virtual_time
async def test_words_to_somebody_else_in_the_room_are_talked_over() -> None:
    async with Call([Line(OFFER)]) as call:
        await call.greeted()
        await call.answered(await call.speak("I would like to book an appointment"))
        for number in range(30):  # each text is half a decibel softer than the one before
            call.book.code(f"filler {number}")
        await call.wait(200)
        await call.speak("no not now darling", 900)
        turn = await call.turn_over()
        assert not turn.interrupted
        assert call.carrier.heard(turn.agent_started_ms or 0.0) == turn.heard_text == OFFER
        assert call.carrier.times("clear") == []
        (alarm,) = call.events(EventKind.FALSE_ALARM)
        assert alarm.data["reason"] == "aside"
        assert alarm.data["text"] == "no not now darling"


@in_virtual_time
async def test_a_voice_is_given_room_within_300_ms_and_the_verdict_comes_later() -> None:
    async with Call([Line(OFFER), Line("Fine.")]) as call:
        await call.greeted()
        await call.answered(await call.speak("I would like to book an appointment"))
        await call.wait(900)
        began = call.now
        await call.speak("Thursday", 700)
        (cleared,), (barge_in,) = call.carrier.times("clear"), call.events(EventKind.BARGE_IN)
        assert cleared - began <= 200
        assert barge_in.at_ms > cleared
        assert call.carrier.frames[-1][0] < cleared
        assert call.records.turns[-1].heard_text == barge_in.data["heard"] == "Of course, I can"
        assert (await call.turn_over()).caller_text == "Thursday"


@in_virtual_time
async def test_a_yes_before_the_question_is_a_backchannel() -> None:
    line = Line("It is moved to Friday then. Shall I book another one?", expect=Expect.YES_NO)
    async with Call([line]) as call:
        await call.greeted()
        await call.answered(await call.speak("I want ten o'clock tomorrow please"))
        await call.wait(300)
        await call.speak("okay", 260)
        turn = await call.turn_over()
        assert turn.heard_text == turn.generated_text
        assert call.events(EventKind.FALSE_ALARM)[0].data["reason"] == "backchannel"

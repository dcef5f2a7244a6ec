"""The agent's side in whole calls: one reply from its first audible sample to its last, or until it is stopped."""

from __future__ import annotations

import pytest
from screenplay import GREETING, OFFER, Call, said
from scripted import WORD_MS, Line
from virtual_time import in_virtual_time

from pipelines.events import EndReason, EventKind
from pipelines.phrases import phrases
from pipelines.timing import response_latency_ms, waterfall

SPOKEN = phrases("en")


@in_virtual_time
async def test_the_greeting_is_said_and_heard() -> None:
    async with Call() as call:
        await call.greeted()
        (turn,) = call.records.turns
        assert call.carrier.heard() == GREETING
        assert (turn.generated_text, turn.heard_text, turn.interrupted) == (GREETING, GREETING, False)
        assert turn.agent_started_ms == pytest.approx(call.carrier.audible(), abs=1)
        assert turn.agent_ended_ms == pytest.approx(turn.agent_started_ms + 6 * WORD_MS, abs=20)
        assert waterfall(turn.marks) == {}
        assert call.events(EventKind.REPLY_FINISHED)[0].data == {"interrupted": False}
    assert call.reason is EndReason.CALLER_HANGUP


@in_virtual_time
async def test_the_leading_silence_of_a_voice_is_not_played() -> None:
    async with Call([Line(OFFER)]) as call:
        call.speaker.leading_silence_ms = 300
        await call.greeted()
        silent_since = await call.speak("I would like to book an appointment")
        await call.answered(silent_since, within_ms=1500)
        (first, audio) = next(frame for frame in call.carrier.frames if frame[0] >= silent_since)
        assert audio[0] != 0xFF
        assert call.carrier.audible(silent_since) == first


@in_virtual_time
async def test_late_audio_of_a_cancelled_reply_is_dropped() -> None:
    async with Call([Line(OFFER), Line("Yes?")]) as call:
        call.speaker.piece_ms = 230  # hardly faster than speech: audio is still being made when the caller breaks in
        await call.greeted()
        silent_since = await call.speak("I would like to book an appointment")
        await call.answered(silent_since)
        await call.wait(700)
        await call.speak("No stop that please now", 1000)
        cleared = call.carrier.times("clear")[-1]
        await call.until(lambda: call.carrier.audible(cleared) is not None)
        await call.wait(500)
        assert call.carrier.heard(cleared) == "Yes?"
        assert call.speaker.open == 0


@in_virtual_time
async def test_a_greeting_that_nobody_heard_is_on_the_record() -> None:
    async with Call([Line(OFFER)]) as call:
        call.speaker.first_audio_ms = 900
        await call.speak("Hello is anybody there", 1000)
        answer = await call.turn_over()
        greeting = call.records.turns[0]
        assert (greeting.index, greeting.generated_text, greeting.heard_text) == (0, GREETING, "")
        assert greeting.interrupted
        assert (answer.caller_text, answer.heard_text) == ("Hello is anybody there", OFFER)
        assert said(call.model.requests[0]) == [("user", "Hello is anybody there")]


@in_virtual_time
async def test_a_slow_model_is_excused_as_often_as_it_takes() -> None:
    async with Call([Line(OFFER, first_token_ms=6000)]) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book a table")
        excused = await call.answered(silent_since, within_ms=2500)
        assert excused - silent_since > 2000
        turn = await call.turn_over()
        excuses = [SPOKEN.one_moment, SPOKEN.still_working]
        assert call.carrier.heard(silent_since) == " ".join([*excuses, OFFER])
        assert [e.data["text"] for e in call.events(EventKind.FALLBACK_SPOKEN)] == excuses
        assert turn.generated_text == turn.heard_text == OFFER
        assert response_latency_ms(turn.marks) == pytest.approx(excused - silent_since, abs=5)


@in_virtual_time
async def test_the_excuse_counts_from_the_last_word_also_after_a_long_wait() -> None:
    async with Call([Line(OFFER, first_token_ms=6000)]) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book a table for um")  # hesitating: 1540 ms of wait
        await call.answered(silent_since, within_ms=2500)


@in_virtual_time
async def test_no_excuse_is_put_between_the_sentences_of_a_slow_voice() -> None:
    async with Call([Line(OFFER, first_token_ms=1200)]) as call:
        await call.greeted()
        call.speaker.first_audio_ms = 900
        silent_since = await call.speak("I would like to book a table")
        await call.turn_over()
        assert call.carrier.heard(silent_since) == OFFER

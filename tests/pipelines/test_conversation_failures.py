"""Calls in which an engine fails, stalls or says nothing: the caller is never left in silence."""

from __future__ import annotations

import pytest
from screenplay import OFFER, Call, said
from scripted import Line
from virtual_time import in_virtual_time

from pipelines.events import EndReason, EventKind
from pipelines.failover import Switched
from pipelines.phrases import phrases
from pipelines.timing import response_latency_ms, waterfall

SPOKEN = phrases("en")


@in_virtual_time
async def test_a_failing_recogniser_leaves_what_it_had() -> None:
    async with Call([Line(OFFER)]) as call:
        call.recogniser.failing = True
        await call.greeted()
        await call.speak("I would like to book a table")
        turn = await call.turn_over()
        assert turn.caller_text == "I would like to book a table"
        assert turn.heard_text == OFFER
        assert call.events(EventKind.STAGE_FAILED)[0].data["stage"] == "stt"


@in_virtual_time
async def test_a_recogniser_that_never_answers_costs_two_seconds() -> None:
    async with Call([Line(OFFER), Line("Fine.")]) as call:
        call.recogniser.hanging = True
        await call.greeted()
        silent_since = await call.speak("I would like to book a table")
        await call.answered(silent_since, within_ms=412 + 20 + 2000 + 200 + 15 * 7 + 80 + 40)
        turn = await call.turn_over()
        assert turn.caller_text == "I would like to book a table"
        assert waterfall(turn.marks)["stt"] == pytest.approx(2000, abs=5)
        assert call.recogniser.flushing == 0  # given up: it cannot answer into a later turn
        call.recogniser.hanging = False
        await call.speak("On Monday at ten would be good")
        assert (await call.turn_over()).heard_text == "Fine."


@pytest.mark.parametrize("line", [Line(fails=True), Line(""), Line("   ")])
def test_a_model_that_fails_or_says_nothing_is_apologised_for(line: Line) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Call([line, Line(OFFER)]) as call:
            await call.greeted()
            silent_since = await call.speak("I would like to book a table")
            turn = await call.turn_over()
            assert call.carrier.heard(silent_since) == turn.heard_text == SPOKEN.apology
            assert call.events(EventKind.STAGE_FAILED)[0].data["stage"] == "llm"
            assert call.events(EventKind.FALLBACK_SPOKEN)[0].data == {"text": SPOKEN.apology}
            await call.speak("I said a table for two")
            assert (await call.turn_over()).heard_text == OFFER
            assert said(call.model.requests[-1])[2] == ("assistant", SPOKEN.apology)

    play()


@in_virtual_time
async def test_a_model_that_fails_in_the_middle_is_apologised_for() -> None:
    async with Call([Line("Of course. We have", fails=True)]) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book a table")
        turn = await call.turn_over()
        assert call.carrier.heard(silent_since) == f"Of course. {SPOKEN.apology}"
        assert turn.generated_text.endswith(SPOKEN.apology)


@in_virtual_time
async def test_the_second_failure_in_a_row_ends_the_call() -> None:
    async with Call([Line(fails=True), Line(fails=True)]) as call:
        await call.greeted()
        await call.speak("I would like to book a table")
        await call.turn_over()
        silent_since = await call.speak("I said a table for two")
        assert await call.ended() is EndReason.PIPELINE_FAILED
        assert call.carrier.heard(silent_since) == SPOKEN.giving_up
        assert call.carrier.times("hang_up") == [pytest.approx(call.records.turns[-1].ended_ms, abs=25)]


@in_virtual_time
async def test_failures_with_a_success_between_them_do_not_end_the_call() -> None:
    async with Call([Line(fails=True), Line("Fine."), Line(fails=True)]) as call:
        await call.greeted()
        for text in ("I would like to book a table", "I said a table for two", "for tomorrow at ten please"):
            await call.speak(text)
            await call.turn_over()
        assert [turn.heard_text for turn in call.records.turns[1:]] == [SPOKEN.apology, "Fine.", SPOKEN.apology]


@in_virtual_time
async def test_a_voice_that_fails_once_apologises() -> None:
    async with Call([Line(OFFER)]) as call:
        await call.greeted()
        call.speaker.failures = 1
        silent_since = await call.speak("I would like to book a table")
        await call.turn_over()
        assert call.carrier.heard(silent_since) == SPOKEN.apology
        assert call.events(EventKind.STAGE_FAILED)[0].data["stage"] == "tts"


@in_virtual_time
async def test_a_voice_that_is_gone_ends_the_call() -> None:
    async with Call([Line(OFFER)]) as call:
        await call.greeted()
        call.speaker.failures = 99
        await call.speak("I would like to book a table")
        assert await call.ended(within_ms=3000) is EndReason.PIPELINE_FAILED
        assert call.records.turns[-1].caller_text == "I would like to book a table"


@in_virtual_time
async def test_a_slow_model_is_excused_once() -> None:
    async with Call([Line(OFFER, first_token_ms=6000)]) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book a table")
        excused = await call.answered(silent_since, within_ms=2500)
        assert excused - silent_since > 2000
        turn = await call.turn_over()
        assert call.carrier.heard(silent_since) == f"{SPOKEN.one_moment} {OFFER}"
        assert [e.data["text"] for e in call.events(EventKind.FALLBACK_SPOKEN)] == [SPOKEN.one_moment]
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


@in_virtual_time
async def test_a_switched_engine_is_on_the_record() -> None:
    async with Call() as call:
        call.conversation.switched(Switched("tts", "first", "second", "no voice"))
        call.conversation.switched(Switched("tts", "second", "", "no voice"))
        (switched,), (failed,) = call.events(EventKind.STAGE_SWITCHED), call.events(EventKind.STAGE_FAILED)
        assert switched.data == {"stage": "tts", "provider": "first", "to": "second", "error": "no voice"}
        assert failed.data["provider"] == "second"

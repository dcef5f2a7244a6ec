"""Answers that fail: the caller is told so, and a call that keeps failing ends."""

from __future__ import annotations

import pytest
from screenplay import OFFER, Call, said
from scripted import Line
from virtual_time import in_virtual_time

from config.schema import TurnPolicy
from pipelines.events import EndReason, EventKind
from pipelines.phrases import phrases

SPOKEN = phrases("en")
UNHURRIED = TurnPolicy(speculation=False)  # a model that fails is asked once, in the committed turn


@pytest.mark.parametrize("line", [Line(fails=True), Line(""), Line("   ")])
def test_a_model_that_fails_or_says_nothing_is_apologised_for(line: Line) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Call([line, Line(OFFER)], turn=UNHURRIED) as call:
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
    async with Call([Line("Of course. We have", fails=True)], turn=UNHURRIED) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book a table")
        turn = await call.turn_over()
        assert call.carrier.heard(silent_since) == f"Of course. {SPOKEN.apology}"
        assert turn.generated_text.endswith(SPOKEN.apology)


@in_virtual_time
async def test_the_second_failure_in_a_row_ends_the_call() -> None:
    async with Call([Line(fails=True), Line(fails=True)], turn=UNHURRIED) as call:
        await call.greeted()
        await call.speak("I would like to book a table")
        await call.turn_over()
        silent_since = await call.speak("I said a table for two")
        assert await call.ended() is EndReason.PIPELINE_FAILED
        assert call.carrier.heard(silent_since) == SPOKEN.giving_up
        assert call.carrier.times("hang_up") == [pytest.approx(call.records.turns[-1].ended_ms, abs=25)]


@in_virtual_time
async def test_failures_with_a_success_between_them_do_not_end_the_call() -> None:
    async with Call([Line(fails=True), Line("Fine."), Line(fails=True)], turn=UNHURRIED) as call:
        await call.greeted()
        for text in ("I would like to book a table", "I said a table for two", "for tomorrow at ten please"):
            await call.speak(text)
            await call.turn_over()
        assert [turn.heard_text for turn in call.records.turns[1:]] == [SPOKEN.apology, "Fine.", SPOKEN.apology]


@in_virtual_time
async def test_a_voice_that_fails_once_apologises() -> None:
    async with Call([Line(OFFER)], turn=UNHURRIED) as call:
        await call.greeted()
        call.speaker.failures = 1
        silent_since = await call.speak("I would like to book a table")
        await call.turn_over()
        assert call.carrier.heard(silent_since) == SPOKEN.apology
        assert call.events(EventKind.STAGE_FAILED)[0].data["stage"] == "tts"


@in_virtual_time
async def test_a_voice_that_is_gone_ends_the_call() -> None:
    async with Call([Line(OFFER)], turn=UNHURRIED) as call:
        await call.greeted()
        call.speaker.failures = 99
        await call.speak("I would like to book a table")
        assert await call.ended(within_ms=3000) is EndReason.PIPELINE_FAILED
        assert call.records.turns[-1].caller_text == "I would like to book a table"

"""The caller's side in whole calls: what counts as a turn, and what text it has."""

from __future__ import annotations

import pytest
from screenplay import BOOK, GREETING, OFFER, Call, said
from scripted import Line
from virtual_time import in_virtual_time

from config.schema import TurnPolicy
from pipelines.events import EventKind
from pipelines.listener import STT_FINAL_MS
from pipelines.machines.endpointing import PAUSE_MS
from pipelines.phrases import phrases
from pipelines.timing import Mark

SPOKEN = phrases("en")


@in_virtual_time
async def test_the_caller_goes_on_before_the_reply_is_audible() -> None:
    async with Call([Line("Too early.", first_token_ms=900), Line(OFFER)], turn=TurnPolicy(max_wait_ms=720)) as call:
        await call.greeted()
        await call.speak("I would like to book a table", 1200)
        await call.wait(800)  # committed; the model is thinking
        assert len(call.model.requests) == 1
        silent_since = await call.speak("for two people tomorrow evening", 1200)
        turn = await call.turn_over()
        both = "I would like to book a table for two people tomorrow evening"
        assert turn.caller_text == both
        assert turn.generated_text == OFFER
        assert len(call.events(EventKind.TURN_RESUMED)) == 1
        assert [t.index for t in call.records.turns] == [0, 1]
        assert said(call.model.requests[-1]) == [("assistant", GREETING), ("user", both)]
        assert turn.marks[Mark.SPEECH_END] == silent_since
        assert "Too" not in call.carrier.heard()


@in_virtual_time
async def test_a_turn_that_was_acted_upon_is_not_taken_back() -> None:
    lines = [Line(first_token_ms=100, tools=(BOOK,)), Line("Booked.", first_token_ms=1500), Line("It is done.")]
    async with Call(lines) as call:
        await call.greeted()
        await call.speak("Book the haircut tomorrow at ten", 1200)
        await call.until(lambda: len(call.model.requests) == 2, within_ms=1500)
        await call.speak("and what does it cost me", 1200)
        answer = await call.turn_over()
        acted = call.records.turns[-2]
        assert acted.caller_text == "Book the haircut tomorrow at ten"
        assert (acted.heard_text, acted.interrupted) == ("", True)
        assert [tool["name"] for tool in acted.tools] == ["book_appointment"]
        assert answer.caller_text == "and what does it cost me"
        assert len(call.calendar.appointments) == 1
        last = call.model.requests[-1]
        assert [m.role for m in last] == ["system", "assistant", "user", "assistant", "tool", "user"]
        assert call.events(EventKind.TURN_RESUMED) == []


@in_virtual_time
async def test_a_cough_is_no_turn() -> None:
    async with Call() as call:
        await call.greeted()
        await call.cough(200)
        await call.wait(3000)
        assert call.model.requests == []
        assert [turn.index for turn in call.records.turns] == [0]
        assert call.events(EventKind.TURN_COMMITTED) == []


@in_virtual_time
async def test_long_speech_in_which_nothing_was_recognised_is_answered() -> None:
    async with Call([Line("I did not understand.")]) as call:
        await call.greeted()
        await call.cough(900)
        turn = await call.turn_over()
        assert turn.caller_text == ""
        assert turn.heard_text == "I did not understand."


@in_virtual_time
async def test_evidence_that_comes_after_the_end_of_speech_is_answered() -> None:
    """A slow recogniser shows its first words only while its final ones are being waited for."""
    async with Call([Line(OFFER)]) as call:
        call.recogniser.partials = False
        call.recogniser.finish_ms = 900.0
        await call.wait(300)
        await call.speak("Sure no wait", 300)
        await call.until(lambda: call.events(EventKind.CALLER_STOPPED_SPEAKING))
        call.recogniser.partials = True
        assert (await call.turn_over()).interrupted
        answer = await call.turn_over()
        assert (answer.caller_text, answer.heard_text) == ("Sure no wait", OFFER)


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
async def test_a_recogniser_that_never_answers_is_not_waited_for_long() -> None:
    async with Call([Line(OFFER), Line("Fine.")]) as call:
        call.recogniser.hanging = True
        await call.greeted()
        silent_since = await call.speak("I would like to book a table")
        assert await call.answered(silent_since, within_ms=2500) < silent_since + 2500
        turn = await call.turn_over()
        assert call.carrier.heard(silent_since) == f"{SPOKEN.one_moment} {OFFER}"
        assert turn.caller_text == "I would like to book a table"
        assert turn.marks[Mark.TRANSCRIPT] - silent_since == pytest.approx(PAUSE_MS + STT_FINAL_MS, abs=21)
        assert call.recogniser.flushing == 0  # given up: it cannot answer into a later turn
        call.recogniser.hanging = False
        await call.speak("On Monday at ten would be good")
        assert (await call.turn_over()).heard_text == "Fine."

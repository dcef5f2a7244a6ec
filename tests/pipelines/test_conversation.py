"""Whole calls as plays: caller, carrier and engines are scripted, the conversation is real, time is virtual."""

from __future__ import annotations

import pytest
from screenplay import BOOK, GREETING, OFFER, Call, said
from scripted import WORD_MS, Line
from virtual_time import in_virtual_time

from config.schema import TurnPolicy
from pipelines.events import EndReason, EventKind
from pipelines.phrases import phrases
from pipelines.stages import Expect
from pipelines.timing import Mark, response_latency_ms, waterfall

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
async def test_a_turn_with_all_its_marks() -> None:
    async with Call([Line(OFFER)]) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book an appointment", 1210)
        first_audio = await call.answered(silent_since, within_ms=1000)
        turn = await call.turn_over()
        assert turn.caller_text == "I would like to book an appointment"
        assert turn.generated_text == turn.heard_text == call.carrier.heard(silent_since) == OFFER
        assert list(turn.marks) == sorted(turn.marks, key=list(Mark).index)
        assert set(turn.marks) == set(Mark)
        assert turn.marks[Mark.SPEECH_END] == silent_since
        assert turn.marks[Mark.FIRST_FRAME] == pytest.approx(first_audio, abs=5)
        parts, latency = waterfall(turn.marks), response_latency_ms(turn.marks)
        assert latency is not None
        assert sum(parts.values()) == pytest.approx(latency, abs=1e-9)
        assert latency == pytest.approx(first_audio - silent_since, abs=5)
        assert parts["llm"] == pytest.approx(200, abs=1)
        assert parts["tts"] == pytest.approx(80, abs=1)
        assert parts["endpoint_wait"] == pytest.approx(0.75 * 550, abs=20)
        assert [e.turn for e in call.events(EventKind.TURN_COMMITTED)] == [turn.index]
        transcripts = [s.text for s in call.carrier.sent if s.what == "transcript"]
        assert transcripts == [f"agent: {GREETING}", f"customer: {turn.caller_text}", f"agent: {OFFER}"]


@in_virtual_time
async def test_the_leading_silence_of_a_voice_is_not_played() -> None:
    async with Call([Line(OFFER)]) as call:
        call.speaker.leading_silence_ms = 300
        await call.greeted()
        silent_since = await call.speak("I would like to book an appointment")
        await call.answered(silent_since, within_ms=1000)
        (first, audio) = next(frame for frame in call.carrier.frames if frame[0] >= silent_since)
        assert audio[0] != 0xFF
        assert call.carrier.audible(silent_since) == first


@in_virtual_time
async def test_barge_in_stops_clears_and_truncates() -> None:
    async with Call([Line(OFFER), Line("We are open until six.")]) as call:
        await call.greeted()
        silent_since = await call.speak("I would like to book an appointment")
        await call.answered(silent_since)
        await call.wait(1900)
        began = call.now
        await call.speak("Wait when are you open today", 1500)
        (cleared,) = call.carrier.times("clear")
        (barge_in,) = call.events(EventKind.BARGE_IN)
        # Evidence: two words recognised. 2 of 6 words take 375 ms of 1500; `clear` follows within 60 ms.
        assert cleared - began <= 375 + 60
        heard = call.carrier.heard(silent_since)
        assert OFFER.startswith(heard)
        assert 0 < len(heard) < len(OFFER)
        interrupted = call.records.turns[-1]
        assert interrupted.interrupted
        assert interrupted.heard_text == heard == barge_in.data["heard"]
        assert interrupted.generated_text == OFFER
        assert interrupted.agent_ended_ms == pytest.approx(cleared, abs=1)
        assert call.records.erased == [pytest.approx(cleared, abs=1)]
        answer = await call.turn_over()
        assert answer.caller_text == "Wait when are you open today"
        assert said(call.model.requests[-1]) == [
            ("assistant", GREETING),
            ("user", "I would like to book an appointment"),
            ("assistant", heard),
            ("user", "Wait when are you open today"),
        ]
        assert call.model.requests[-1][3].interrupted


@in_virtual_time
async def test_speech_over_the_agent_first_only_pauses_it() -> None:
    async with Call() as call:
        await call.wait(400)
        call.begin_to_speak("mhm", 300)
        await call.until(lambda: call.conversation.mouth.playout.paused, within_ms=100)
        await call.until(lambda: not call.conversation.mouth.playout.paused, within_ms=1500)
        (alarm,) = call.events(EventKind.FALSE_ALARM)
        assert alarm.data == {"reason": "backchannel", "text": "mhm"}
        await call.greeted()
        assert call.carrier.heard() == GREETING  # every word, none twice
        assert call.carrier.times("clear") == []
        assert call.conversation.mouth.playout.underruns == 0
        assert call.model.requests == []


@in_virtual_time
async def test_a_cough_over_the_agent_resumes_it() -> None:
    async with Call() as call:
        await call.wait(400)
        await call.cough(260)
        await call.greeted()
        assert call.carrier.heard() == GREETING
        assert call.events(EventKind.FALSE_ALARM)[0].data["reason"] == "no words"


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
async def test_a_yes_into_the_end_of_a_question_is_an_answer() -> None:
    async with Call([Line("Shall I book it for ten o'clock then?", expect=Expect.YES_NO), Line("Done.")]) as call:
        await call.greeted()
        silent_since = await call.speak("I want ten o'clock tomorrow please")
        await call.answered(silent_since)
        await call.wait(1500)
        await call.speak("okay", 260)
        answer = await call.turn_over()
        while answer.caller_text != "okay":
            answer = await call.turn_over()
        assert answer.generated_text == "Done."
        assert call.events(EventKind.BARGE_IN)[0].data["reason"] == "short answer"


@in_virtual_time
async def test_the_caller_goes_on_before_the_reply_is_audible() -> None:
    async with Call([Line("Too early.", first_token_ms=900), Line(OFFER)]) as call:
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
async def test_words_over_the_end_of_the_greeting_are_a_turn() -> None:
    async with Call([Line(OFFER)]) as call:
        playout = call.conversation.mouth.playout
        await call.until(lambda: playout.started and not playout.waiting)
        await call.speak("Sure no wait", 390)
        while not (turn := await call.turn_over()).caller_text:
            pass
        assert call.records.turns[0].heard_text == GREETING
        assert (turn.caller_text, turn.heard_text) == ("Sure no wait", OFFER)


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
async def test_speech_before_the_greeting_is_audible_does_not_swallow_it() -> None:
    async with Call() as call:
        call.speaker.first_audio_ms = 600
        await call.cough(100)
        await call.greeted()
        assert call.carrier.heard() == GREETING


@in_virtual_time
async def test_a_protected_greeting_is_heard_to_its_end() -> None:
    async with Call(turn=TurnPolicy(protect_greeting=True)) as call:
        await call.wait(300)
        call.begin_to_speak("I want to say something right now", 1000)
        await call.greeted()
        assert call.carrier.heard() == GREETING
        assert call.carrier.times("clear") == []


@in_virtual_time
async def test_audio_from_before_the_call_runs_is_recorded_and_harms_nothing() -> None:
    call = Call()
    call.begin_to_speak("Hello is anybody there", 800)
    for index in range(40):
        call.conversation.feed(bytes(call._queue[index * 160 : index * 160 + 160]), index * 20.0)
    for index in range(40, 60):
        call.conversation.feed(b"\xff" * 160, index * 20.0)
    assert call.records.recorded_ms == 1200.0
    call._queue.clear()
    call._frames, call._start_ms = 60, call._start_ms - 1200
    async with call:
        await call.greeted()
        assert call.carrier.heard() == GREETING

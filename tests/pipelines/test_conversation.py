"""Whole calls as plays: caller, carrier and engines are scripted, the conversation is real, time is virtual."""

from __future__ import annotations

import pytest
from screenplay import GREETING, OFFER, Call, said
from scripted import Line
from virtual_time import in_virtual_time

from config.schema import TurnPolicy
from pipelines.events import EventKind
from pipelines.failover import Switched
from pipelines.simulation.virtual_time import run_in_virtual_time
from pipelines.stages import Expect
from pipelines.timing import Mark, response_latency_ms, waterfall


@in_virtual_time
async def test_a_turn_with_all_its_marks() -> None:
    policy = TurnPolicy(speculation=False, base_wait_ms=500, min_wait_ms=500, max_wait_ms=500)
    async with Call([Line(OFFER)], turn=policy) as call:
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
        assert parts["endpoint_wait"] == pytest.approx(500, abs=20)
        assert [e.turn for e in call.events(EventKind.TURN_COMMITTED)] == [turn.index]
        transcripts = [s.text for s in call.carrier.sent if s.what == "transcript"]
        assert transcripts == [f"agent: {GREETING}", f"customer: {turn.caller_text}", f"agent: {OFFER}"]


Answer = tuple[str, str, bool, dict[Mark, float]]


async def _evening(*, gather: bool) -> tuple[list[Answer], list[EventKind], int]:
    """A sentence with a pause in it, an answer talked over, a short word, a cough. Marks count from their first."""
    async with Call([Line(OFFER) for _ in range(12)], gather=gather) as call:
        await call.greeted()
        await call.wait(7)  # off the 20 ms of the frames, so that no two things fall on one instant
        await call.speak("I would like to", 700)
        await call.wait(267)
        silent_since = await call.speak("book an appointment", 900)
        await call.answered(silent_since)
        await call.wait(1507)
        silent_since = await call.speak("Wait when are you open today", 1500)
        await call.answered(silent_since)
        await call.turn_over()
        await call.wait(7)
        silent_since = await call.speak("thanks", 300)
        await call.answered(silent_since)
        await call.wait(7)
        await call.cough(200)
        await call.turn_over()
    turns = []
    for turn in call.records.turns:
        first = min(turn.marks.values())
        marks = {mark: round(at - first, 3) for mark, at in turn.marks.items()}
        turns.append((turn.caller_text, turn.heard_text, turn.interrupted, marks))
    return turns, [event.kind for event in call.records.events], call.feeds


def test_frames_that_wait_for_one_another_change_nothing() -> None:
    turns, events, feeds = run_in_virtual_time(_evening(gather=True))
    turns_1, events_1, feeds_1 = run_in_virtual_time(_evening(gather=False))
    assert feeds < 0.6 * feeds_1
    assert turns == turns_1
    assert events == events_1


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
        assert alarm.data == {"reason": "backchannel", "text": "mhm", "speech_ms": 300, "strong_ms": 300}
        await call.greeted()
        assert call.carrier.heard() == GREETING  # every word, none twice
        assert len(call.carrier.times("clear")) == 1
        assert call.conversation.mouth.playout.underruns == 0
        assert call.model.requests == []


@in_virtual_time
async def test_a_cough_over_the_agent_resumes_it() -> None:
    async with Call() as call:
        await call.wait(400)
        await call.cough(260)
        await call.greeted()
        assert call.carrier.heard() == GREETING
        assert call.events(EventKind.FALSE_ALARM)[0].data["reason"] == "noise"
        assert call.carrier.times("clear") == []  # it was talked through


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


@in_virtual_time
async def test_a_switched_engine_is_on_the_record() -> None:
    async with Call() as call:
        call.conversation.switched(Switched("tts", "first", "second", "no voice"))
        call.conversation.switched(Switched("tts", "second", "", "no voice"))
        (switched,), (failed,) = call.events(EventKind.STAGE_SWITCHED), call.events(EventKind.STAGE_FAILED)
        assert switched.data == {
            "stage": "tts",
            "provider": "first",
            "to": "second",
            "error": "no voice",
            "reason": "error",
            "midway": False,
        }
        assert failed.data["provider"] == "second"

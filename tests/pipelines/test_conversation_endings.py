"""Silence, limits, goodbyes, keys and the end of a call, at any moment."""

from __future__ import annotations

import pytest
from screenplay import BOOK, GREETING, OFFER, Call, said
from scripted import Line
from virtual_time import in_virtual_time, virtual_loop

from config.schema import CallLimits
from pipelines.events import EndReason, EventKind
from pipelines.phrases import phrases

SPOKEN = phrases("en")


@in_virtual_time
async def test_a_silent_caller_is_asked_twice_and_then_left() -> None:
    async with Call(limits=CallLimits(caller_silence_s=4, max_reprompts=2)) as call:
        assert await call.ended() is EndReason.CALLER_SILENT
        assert [turn.heard_text for turn in call.records.turns] == [
            GREETING,
            SPOKEN.still_there,
            SPOKEN.still_there,
            SPOKEN.silent_goodbye,
        ]
        for before, after in zip(call.records.turns, call.records.turns[1:], strict=False):
            assert before.agent_ended_ms is not None
            assert after.started_ms - before.agent_ended_ms == pytest.approx(4000, abs=150)  # since it was heard
        assert len(call.carrier.times("hang_up")) == 1


@in_virtual_time
async def test_who_answers_is_asked_again_as_often() -> None:
    limits = CallLimits(caller_silence_s=2, max_reprompts=1)
    async with Call([Line("Yes, until six.")], limits=limits) as call:
        await call.until(lambda: call.events(EventKind.CALLER_SILENT))
        await call.turn_over()
        await call.speak("are you open today please")
        assert await call.ended() is EndReason.CALLER_SILENT
        texts = [turn.heard_text for turn in call.records.turns]
        assert texts == [
            GREETING,
            SPOKEN.still_there,
            "Yes, until six.",
            SPOKEN.still_there,
            SPOKEN.silent_goodbye,
        ]


@in_virtual_time
async def test_a_cough_cannot_keep_a_dead_call_alive() -> None:
    async with Call(limits=CallLimits(caller_silence_s=2, max_reprompts=0)) as call:
        await call.until(lambda: call.events(EventKind.CALLER_SILENT))
        await call.cough(200)
        assert await call.ended() is EndReason.CALLER_SILENT
        assert call.carrier.heard(call.records.turns[-1].started_ms) == SPOKEN.silent_goodbye


@pytest.mark.parametrize("busy", ["silent", "speaking", "thinking"])
def test_the_longest_call_ends_politely(busy: str) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Call([Line(OFFER, first_token_ms=2000)], limits=CallLimits(max_call_s=5)) as call:
            await call.wait(4000 if busy == "speaking" else 3000)
            if busy != "silent":
                await call.speak("I would like to book a table", 1200)
            began = call.now
            assert await call.ended() is EndReason.MAX_DURATION
            assert call.carrier.heard(max(began, 5000)) == SPOKEN.time_is_up
            assert call.records.turns[-1].heard_text == SPOKEN.time_is_up
            if busy != "silent":  # what the caller had said stands in the record
                (kept,) = (t.caller_text for t in call.records.turns[1:-1])
                assert "I would like to book a table".startswith(kept)
                assert len(kept.split()) >= 5

    play()


@in_virtual_time
async def test_a_drain_says_goodbye_whatever_is_going_on() -> None:
    async with Call() as call:
        await call.wait(600)  # in the middle of the greeting
        call.conversation.say_goodbye(EndReason.SERVER_SHUTDOWN)
        call.conversation.say_goodbye(EndReason.MAX_DURATION)
        began = call.now
        await call.cough(600)
        assert await call.ended() is EndReason.SERVER_SHUTDOWN
        assert call.carrier.heard(began) == SPOKEN.closing_down
        assert [turn.interrupted for turn in call.records.turns] == [True, False]


@in_virtual_time
async def test_a_key_interrupts_and_a_finished_entry_is_a_turn() -> None:
    async with Call([Line("Thank you.")]) as call:
        await call.wait(500)
        call.conversation.dtmf("4")
        assert len(call.carrier.times("clear")) == 1
        assert call.events(EventKind.BARGE_IN)[0].data["reason"] == "key"
        assert call.records.turns[0].heard_text == call.carrier.heard()
        call.conversation.dtmf("2")
        call.conversation.dtmf("#")
        pressed = call.now
        turn = await call.turn_over()
        assert (turn.caller_text, turn.heard_text) == ("4 2", "Thank you.")
        assert turn.started_ms - pressed < 150
        assert [e.data["digit"] for e in call.events(EventKind.DTMF)] == ["4", "2", "#"]
        assert said(call.model.requests[0])[-1] == ("user", "4 2")


@in_virtual_time
async def test_pressing_keys_is_not_silence() -> None:
    limits = CallLimits(caller_silence_s=2, max_reprompts=1)
    async with Call([Line("Thank you.")], limits=limits) as call:
        await call.greeted()
        for digit in "12345":
            await call.wait(1200)
            call.conversation.dtmf(digit)
        turn = await call.turn_over()
        assert turn.caller_text == "1 2 3 4 5"
        assert call.events(EventKind.CALLER_SILENT) == []


@pytest.mark.parametrize("at_ms", [0, 40, 90, 700, 1600, 2300, 2900, 3300, 3420, 3600, 4500, 5200, 5800, 7500])
def test_a_call_may_end_at_any_moment(at_ms: int) -> None:
    """Whatever goes on: nothing is left running, and the open turn is on the record."""

    @in_virtual_time
    async def play() -> None:
        lines = [Line(OFFER, tools=(BOOK,)), Line("Booked."), Line("Yes?"), Line("Yes?")]
        async with Call(lines) as call:
            script = [(2200, "I would like to book a table", 1000.0), (5000, "no wait I meant tomorrow", 1000.0)]
            for start, text, ms in script:
                if start < at_ms:
                    await call.wait(start - call.now)
                    call.begin_to_speak(text, ms)
            await call.wait(max(0.0, at_ms - call.now))
            call.conversation.end(EndReason.CONNECTION_LOST)
            assert await call.ended(within_ms=100) is EndReason.CONNECTION_LOST
            known = len(call.records.events), call.records.recorded_ms
            call.conversation.dtmf("1")
            await call.wait(200)  # frames that still come do nothing
            assert (len(call.records.events), call.records.recorded_ms) == known
            opened = {e.turn for e in call.records.events if e.turn is not None}
            assert opened <= {t.index for t in call.records.turns}
            assert all(at <= at_ms + 1.0 for at in call.carrier.times("audio"))

    play()


@in_virtual_time
async def test_a_long_call_in_which_the_loop_stalls_now_and_then() -> None:
    lines = [Line(OFFER) for _ in range(8)]
    async with Call(lines) as call:
        await call.greeted()
        for index in range(8):
            silent_since = await call.speak(f"I would like the table number {index} please", 1500)
            await call.answered(silent_since)
            await call.wait(600)
            virtual_loop().stall(100)
            turn = await call.turn_over()
            assert turn.heard_text == OFFER
            assert call.carrier.heard(silent_since) == OFFER
            assert call.conversation.mouth.playout.underruns == 0
        assert call.now > 45_000


@in_virtual_time
async def test_noises_do_not_keep_a_dead_call_alive() -> None:
    async with Call(limits=CallLimits(caller_silence_s=4, max_reprompts=2)) as call:
        await call.greeted()
        for _ in range(20):
            if call.reason is not None:
                break
            await call.cough(200)
            await call.wait(6000)
        assert await call.ended() is EndReason.CALLER_SILENT


@in_virtual_time
async def test_a_call_that_ends_before_the_text_is_there_keeps_what_was_understood() -> None:
    async with Call() as call:
        call.recogniser.finish_ms = 1500.0
        await call.greeted()
        await call.speak("I would like to book a table")
        await call.until(lambda: call.events(EventKind.CALLER_STOPPED_SPEAKING))
        call.conversation.end(EndReason.CALLER_HANGUP)
        await call.ended()
        assert call.records.turns[-1].caller_text == "I would like to book a table"

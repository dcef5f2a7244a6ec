"""Answers begun at a pause: held, released at once, thrown away without a trace, and accounted for."""

from __future__ import annotations

import msgspec
import pytest
from screenplay import BOOK, GREETING, Call, said
from scripted import Line
from virtual_time import in_virtual_time

from config.schema import TurnPolicy
from pipelines.events import EndReason, EventKind
from pipelines.machines.endpointing import PAUSE_MS
from pipelines.machines.speculation import Ledger
from pipelines.providers.receptionist import Receptionist, ReceptionistOptions
from pipelines.speculation import LEAD_MS
from pipelines.stages import ToolCall
from pipelines.timing import Mark, Turn, response_latency_ms

TABLE = "I would like to book a table"
MORE = "for two people tomorrow evening"
FINE = Line("Fine.", first_token_ms=150.0)
LOOK = ToolCall("t1", "opening_hours", {})
OFF = TurnPolicy(speculation=False)
PATIENT = TurnPolicy(base_wait_ms=1000, min_wait_ms=1000, max_wait_ms=1000)
FIXED = TurnPolicy(base_wait_ms=900, min_wait_ms=900, max_wait_ms=900)
NEVER = TurnPolicy(base_wait_ms=1300, min_wait_ms=1300, max_wait_ms=1300)  # not before the play is over


def call_with(*lines: Line, turn: TurnPolicy | None = None) -> Call:
    call = Call(lines, turn=turn)
    call.recogniser.finish_ms = 100.0
    call.speaker.first_audio_ms = 80.0
    return call


async def answered_early(call: Call) -> float:
    """The answer to TABLE is made before the turn is over. Returns the end of the speech."""
    await call.greeted()
    silent_since = await call.speak(TABLE)
    await call.until(lambda: call.speaker.said[-1] == "Fine.")
    return silent_since


def latency(turn: Turn) -> float:
    found = response_latency_ms(turn.marks)
    assert found is not None
    return found


@in_virtual_time
async def test_a_hit_is_heard_the_moment_the_turn_is_committed() -> None:
    async with call_with(FINE, turn=PATIENT) as call:
        silent_since = await answered_early(call)
        assert call.events(EventKind.TURN_COMMITTED) == []
        assert call.carrier.times("transcript") == call.carrier.times("transcript")[:1]  # the greeting's
        assert call.carrier.audible(silent_since) is None
        turn = await call.turn_over()
        assert call.carrier.audible(silent_since) == pytest.approx(turn.marks[Mark.ENDPOINT], abs=1e-6)
        assert turn.marks[Mark.FIRST_FRAME] == turn.marks[Mark.ENDPOINT] > turn.marks[Mark.FIRST_AUDIO]
        assert [turn.caller_text, turn.generated_text, turn.heard_text] == [TABLE, "Fine.", "Fine."]
        assert call.carrier.heard(silent_since) == "Fine."
        assert (turn.speculation.hits, turn.speculation.misses) == (1, 0)
        assert turn.speculation.saved_ms == pytest.approx(230, abs=0.1)
        assert len(call.model.requests) == 1
        assert said(call.model.requests[0]) == [("assistant", GREETING), ("user", TABLE)]
        assert call.conversation.mouth.playout.underruns == 0


@pytest.mark.parametrize("fixed_ms", [200, 260, 350, 450, 560, 700, 900])
def test_latency_is_the_longer_of_waiting_and_generating(fixed_ms: int) -> None:
    """And what the ledger says was saved is what is lost without it."""
    turns: list[Turn] = []
    policy = TurnPolicy(base_wait_ms=fixed_ms, min_wait_ms=fixed_ms, max_wait_ms=fixed_ms)

    @in_virtual_time
    async def play(turn: TurnPolicy) -> None:
        async with call_with(FINE, turn=turn) as call:
            await call.greeted()
            await call.speak(TABLE)
            turns.append(await call.turn_over())

    play(policy)
    play(msgspec.structs.replace(policy, speculation=False))
    ahead, plain = turns
    marks = ahead.marks
    wait_ms = marks[Mark.ENDPOINT] - marks[Mark.SPEECH_END]
    generated_ms = marks[Mark.TRANSCRIPT] - marks[Mark.SPEECH_END] + 230
    assert generated_ms == pytest.approx(PAUSE_MS + 330, abs=21)
    assert latency(ahead) == pytest.approx(max(wait_ms, generated_ms), abs=0.1)
    assert plain.speculation == Ledger()
    assert latency(plain) - latency(ahead) == pytest.approx(ahead.speculation.saved_ms, abs=0.2)
    assert (ahead.speculation.saved_ms > 0) == (fixed_ms > PAUSE_MS + 100)


@in_virtual_time
async def test_half_a_sentence_is_not_answered_while_there_is_time_and_loses_nothing_by_it() -> None:
    async with call_with(FINE, FINE) as call:
        await call.greeted()
        await call.speak("I would like to book a table for")
        await call.wait(600)
        assert call.model.requests == []
        silent_since = await call.speak("two people tomorrow and")
        asked = await call.until(lambda: call.model.requests)
        turn = await call.turn_over()
        wait_ms = turn.marks[Mark.ENDPOINT] - silent_since
        assert wait_ms > LEAD_MS + 400
        assert latency(turn) == wait_ms
        assert (turn.speculation.hits, turn.speculation.misses) == (1, 0)
        assert turn.marks[Mark.ENDPOINT] - asked == pytest.approx(LEAD_MS, abs=121)
        assert len(call.model.requests) == 1


@in_virtual_time
async def test_resumed_speech_cancels_everything() -> None:
    late = Line("Too early. " * 20, first_token_ms=150.0, word_ms=30.0)
    async with call_with(late, FINE, turn=PATIENT) as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.until(lambda: call.model.open == call.speaker.open == 1 and len(call.speaker.said) > 1)
        call.begin_to_speak(MORE, 1200)
        await call.wait(100)  # 60 ms of speech are believed
        assert call.model.open == call.speaker.open == 0
        turn = await call.turn_over()
        assert (turn.caller_text, turn.heard_text) == (f"{TABLE} {MORE}", "Fine.")
        assert said(call.model.requests[-1]) == [("assistant", GREETING), ("user", f"{TABLE} {MORE}")]
        assert call.carrier.heard() == f"{GREETING} Fine."
        assert [e.data["text"] for e in call.events(EventKind.TURN_COMMITTED)] == [f"{TABLE} {MORE}"]
        assert call.carrier.times("clear") == []
        assert (turn.speculation.hits, turn.speculation.misses) == (1, 1)
        assert turn.speculation.tokens_wasted > 20
        assert turn.speculation.characters_wasted >= len("Too early.")
        assert turn.tools == []


@in_virtual_time
async def test_a_pause_without_new_words_does_not_begin_the_same_again() -> None:
    async with call_with(FINE, Line("Again."), turn=PATIENT) as call:
        await answered_early(call)
        await call.cough(120)
        await call.wait(300)
        assert len(call.model.requests) == 1  # thrown away, and not asked again before the end of the turn
        turn = await call.turn_over()
        assert (turn.caller_text, turn.heard_text) == (TABLE, "Again.")
        assert (turn.speculation.hits, turn.speculation.misses) == (0, 1)


@in_virtual_time
async def test_a_changed_transcript_is_answered_anew() -> None:
    async with call_with(FINE, Line("Of course."), turn=PATIENT) as call:
        await answered_early(call)
        listener = call.conversation._listener
        understood = listener.turn_text

        async def corrected(turn: Turn) -> str | None:
            return f"{await understood(turn)} please"

        listener.turn_text = corrected  # type: ignore[method-assign]
        turn = await call.turn_over()
        assert (turn.caller_text, turn.heard_text) == (f"{TABLE} please", "Of course.")
        assert call.carrier.heard() == f"{GREETING} Of course."
        assert said(call.model.requests[-1])[-1] == ("user", f"{TABLE} please")
        assert (turn.speculation.hits, turn.speculation.misses) == (0, 1)


@in_virtual_time
async def test_a_side_effect_waits_for_the_commit_and_then_happens_once() -> None:
    async with call_with(Line(tools=(BOOK,)), Line("Booked."), turn=PATIENT) as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.wait(700)
        assert len(call.model.requests) == 1
        assert call.calendar.appointments == []
        turn = await call.turn_over()
        assert len(call.calendar.appointments) == 1
        assert turn.heard_text == "Booked."
        assert [(tool["name"], tool["speculative"]) for tool in turn.tools] == [("book_appointment", False)]
        assert turn.speculation.hits == 1
        assert [m.role for m in call.model.requests[-1]] == ["system", "assistant", "user", "assistant", "tool"]


@in_virtual_time
async def test_a_side_effect_of_a_caller_who_goes_on_never_happens() -> None:
    async with call_with(Line(tools=(BOOK,)), FINE, turn=PATIENT) as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.wait(700)
        await call.speak(MORE)
        turn = await call.turn_over()
        assert call.calendar.appointments == []
        assert (turn.caller_text, turn.tools) == (f"{TABLE} {MORE}", [])
        assert [m.role for m in call.model.requests[-1]] == ["system", "assistant", "user"]


@in_virtual_time
async def test_looking_up_is_done_ahead() -> None:
    async with call_with(Line(tools=(LOOK,), first_token_ms=150.0), FINE, turn=PATIENT) as call:
        await answered_early(call)
        assert call.events(EventKind.TURN_COMMITTED) == []
        turn = await call.turn_over()
        assert turn.marks[Mark.FIRST_FRAME] == turn.marks[Mark.ENDPOINT]
        assert [(tool["name"], tool["speculative"]) for tool in turn.tools] == [("opening_hours", True)]
        assert [e.at_ms for e in call.events(EventKind.TOOL_FINISHED)] == [turn.marks[Mark.ENDPOINT]]


@in_virtual_time
async def test_who_goes_on_after_the_commit_and_before_a_sound_takes_it_back() -> None:
    slow = Line("Too late.", first_token_ms=3000.0)
    async with call_with(slow, FINE, turn=TurnPolicy(base_wait_ms=400)) as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.until(lambda: call.events(EventKind.TURN_COMMITTED))
        await call.wait(300)
        await call.speak(MORE)
        turn = await call.turn_over()
        assert (turn.caller_text, turn.heard_text) == (f"{TABLE} {MORE}", "Fine.")
        assert (turn.speculation.hits, turn.speculation.misses) == (1, 1)
        assert len(call.events(EventKind.TURN_RESUMED)) == 1


@in_virtual_time
async def test_a_hit_can_be_interrupted_like_any_reply() -> None:
    long = Line("Of course I can do that. And there is a lot more that I could tell.", first_token_ms=150.0)
    async with call_with(long, FINE, turn=PATIENT) as call:
        await call.greeted()
        silent_since = await call.speak(TABLE)
        await call.answered(silent_since)
        await call.wait(1500)
        await call.speak("No wait a moment please")
        turn = call.records.turns[1]
        assert turn.interrupted
        assert turn.heard_text == call.carrier.heard(silent_since)
        assert 0 < len(turn.heard_text) < len(turn.generated_text)
        assert turn.speculation.hits == 1
        assert (await call.turn_over()).heard_text == "Fine."


@in_virtual_time
async def test_a_draft_that_fails_is_tried_again_and_nobody_hears_of_it() -> None:
    async with call_with(Line("Of course. We", fails=True), FINE, turn=PATIENT) as call:
        await call.greeted()
        silent_since = await call.speak(TABLE)
        turn = await call.turn_over()
        assert call.carrier.heard(silent_since) == turn.heard_text == turn.generated_text == "Fine."
        assert (turn.speculation.hits, turn.speculation.misses) == (0, 1)
        assert [e.data["stage"] for e in call.events(EventKind.STAGE_FAILED)] == ["llm"]


@pytest.mark.parametrize("busy", ["thinking", "held", "tool"])
def test_the_call_ends_while_an_answer_is_held(busy: str) -> None:
    @in_virtual_time
    async def play() -> None:
        line = {"thinking": Line("Late.", first_token_ms=2000.0), "held": FINE, "tool": Line(tools=(BOOK,))}[busy]
        async with call_with(line, turn=NEVER) as call:
            await call.greeted()
            await call.speak(TABLE)
            await call.wait(900)
            assert len(call.model.requests) == 1
            call.conversation.end(EndReason.CONNECTION_LOST)
            assert await call.ended(within_ms=50) is EndReason.CONNECTION_LOST
            kept = call.records.turns[-1]
            assert (kept.caller_text, kept.generated_text, kept.heard_text) == (TABLE, "", "")
            assert kept.speculation.misses == 1
            assert call.events(EventKind.TURN_COMMITTED) == []
            assert call.calendar.appointments == []

    play()


@in_virtual_time
async def test_a_goodbye_is_not_held() -> None:
    async with call_with(FINE, turn=NEVER) as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.wait(900)
        began = call.now
        call.conversation.say_goodbye(EndReason.SERVER_SHUTDOWN)
        assert await call.answered(began, within_ms=200) > began
        assert await call.ended() is EndReason.SERVER_SHUTDOWN
        assert "Fine" not in call.carrier.heard()


@in_virtual_time
async def test_it_leaves_itself_off_for_a_caller_who_always_goes_on_and_comes_back() -> None:
    async with call_with(*[FINE] * 60, turn=FIXED) as call:
        await call.greeted()
        starts = []
        for number in range(14):
            known = len(call.model.requests)
            words = [f"part{part} of{number}" for part in range(3 if number < 4 else 1)]
            for part in words:
                await call.speak(part, 400)
                await call.wait(500)
            turn = await call.turn_over()
            assert turn.heard_text == "Fine."
            assert turn.caller_text == " ".join(words)
            starts.append(turn.speculation.started)
            assert len(call.model.requests) - known == 1 + turn.speculation.misses
        assert starts[:3] == [2, 2, 0]
        assert starts[-1] == 1
        assert sum(starts) < 14


@in_virtual_time
async def test_speculation_off_begins_nothing() -> None:
    async with call_with(FINE, turn=OFF) as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.wait(350)
        assert call.model.requests == []
        assert (await call.turn_over()).heard_text == "Fine."


@in_virtual_time
async def test_the_embedded_receptionist_looks_up_ahead_and_acts_after_the_commit() -> None:
    call = call_with(turn=PATIENT)
    call.use(call.recogniser, Receptionist(ReceptionistOptions()), call.speaker)
    async with call:
        await call.greeted()
        turns = []
        number = "oh two oh seven nine four six oh one one one"
        for text in ("I would like to book a haircut", "tomorrow at ten", "my name is Sarah Johnson", number, "yes"):
            await call.speak(text)
            await call.wait(800)  # the answer is held: it is made as far as it may be
            assert call.calendar.appointments == []
            turns.append(await call.turn_over())
            assert turns[-1].caller_text == text
        assert [turn.speculation.misses for turn in turns] == [0] * 5
        assert [turn.speculation.hits for turn in turns] == [1] * 5
        assert len(call.calendar.appointments) == 1
        tools = [(tool["name"], tool["speculative"]) for turn in turns for tool in turn.tools]
        assert ("book_appointment", False) in tools
        assert {speculative for name, speculative in tools if name != "book_appointment"} == {True}

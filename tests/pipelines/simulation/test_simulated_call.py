"""A caller in a simulated call: waits, goes on, interrupts and gives up as the script says."""

from __future__ import annotations

import pytest
from spoken import room, spoken

from config.schema import AgentSettings, TurnPolicy
from pipelines.events import EndReason, EventKind
from pipelines.simulation.call import Outcome, World, simulate, simulate_all
from pipelines.simulation.engines import Delays
from pipelines.simulation.script import Cue, Kind, Move, Script

ASK = Move(Kind.TURN, spoken("can you tell me your address"), reply="Of course. We are at the market square, number 5.")
THANKS = Move(Kind.TURN, spoken("many thanks to you"), reply="You are welcome. Goodbye!")
LONG = "It is quite a long story that I could tell you about this, and it would take some time to tell all of it."


def play(*moves: Move, world: World | None = None, patience_ms: float = 6000.0) -> Outcome:
    return simulate(Script("play", moves, room=room(), patience_ms=patience_ms), world)


def committed(outcome: Outcome) -> list[str]:
    return [e.data["text"] for e in outcome.events if e.kind is EventKind.TURN_COMMITTED]


def test_turns_are_exchanged() -> None:
    outcome = play(ASK, THANKS)
    assert outcome.reason is EndReason.CALLER_HANGUP
    assert committed(outcome) == ["can you tell me your address", "many thanks to you"]
    assert [t.heard_text for t in outcome.turns][1:] == [ASK.reply, THANKS.reply]
    assert outcome.open_requests == 0
    assert not any(done.dropped for done in outcome.done)


def test_the_caller_waits_until_the_agent_was_heard_and_then_as_long_as_the_script_says() -> None:
    outcome = play(ASK, Move(Kind.TURN, THANKS.clip, wait_ms=700.0))
    answer = list(outcome.phone.voice(400.0))[1]
    # Frames of 20 ms; the agent's last frame is filled up.
    assert outcome.done[1].at_ms - answer[1] == pytest.approx(700.0, abs=45.0)


def test_a_hold_is_part_of_its_turn_when_the_wait_is_longer() -> None:
    hold = Move(Kind.TURN, spoken("one two three four", {2: 500}), reply="Thank you.")
    patient = World(AgentSettings(turn=TurnPolicy(base_wait_ms=900, min_wait_ms=900, max_wait_ms=900)))
    hasty = World(AgentSettings(turn=TurnPolicy(base_wait_ms=200, min_wait_ms=200, max_wait_ms=200)))
    assert committed(play(hold, world=patient)) == ["one two three four"]
    assert committed(play(hold, world=hasty))[0] == "one two"


def test_a_barge_in_stops_the_agent_and_is_answered() -> None:
    story = Move(Kind.TURN, ASK.clip, reply=LONG)
    barge = Move(Kind.BARGE_IN, spoken("please stop that now"), Cue.DURING_AGENT, 1500.0, reply="All right.")
    outcome = play(story, barge)
    began = outcome.done[1].start_ms
    told = next(end for start, end in outcome.phone.voice(200.0) if start < began < end + 1)
    assert told - began < 700.0
    assert outcome.turns[1].interrupted
    assert outcome.turns[1].heard_text != LONG
    assert outcome.turns[2].heard_text == "All right."


def test_what_was_to_be_said_over_an_answer_that_is_over_is_dropped_unless_it_is_a_turn() -> None:
    short = Move(Kind.TURN, ASK.clip, reply="Yes.")
    hum = Move(Kind.BACKCHANNEL, spoken("mhm"), Cue.DURING_AGENT, 5000.0)
    late = Move(Kind.BARGE_IN, spoken("one more thing then"), Cue.DURING_AGENT, 5000.0, reply="Tell me.")
    outcome = play(short, hum, late)
    assert [done.dropped for done in outcome.done] == [False, True, False]
    assert committed(outcome) == ["can you tell me your address", "one more thing then"]


def test_a_caller_who_gets_no_answer_goes_on() -> None:
    deaf = World(delays=Delays(hangs=1.0))
    outcome = play(ASK, THANKS, world=deaf, patience_ms=1000.0)
    first, second = outcome.done
    assert second.at_ms - first.end_ms >= 1000.0
    assert outcome.open_requests == 0


def test_keys_and_hanging_up_are_moves_too() -> None:
    key = Move(Kind.KEY, cue=Cue.AFTER_AGENT, wait_ms=300.0, digit="5", reply="Five.")
    outcome = play(key, Move(Kind.HANG_UP, cue=Cue.AFTER_MOVE, wait_ms=500.0))
    pressed = next(e for e in outcome.events if e.kind is EventKind.DTMF)
    assert pressed.data["digit"] == "5"
    assert outcome.length_ms == pytest.approx(pressed.at_ms + 500.0, abs=45.0)


def test_the_recogniser_takes_its_time_and_mishears_as_asked() -> None:
    fast, slow = (play(ASK, world=World(delays=Delays(stt_final_ms=ms))) for ms in (20.0, 1500.0))
    assert slow.turns[1].marks["first_frame"] - fast.turns[1].marks["first_frame"] > 800.0
    wrong = play(ASK, world=World(delays=Delays(word_errors=1.0)))
    assert set(committed(wrong)[0].split()) == {"something"}


def test_the_same_seed_gives_the_same_call() -> None:
    shaky = Delays(jitter_ms=300.0, word_errors=0.3)
    first, second, other = (play(ASK, THANKS, world=World(delays=shaky, seed=seed)) for seed in (1, 1, 2))
    assert first.events == second.events
    assert first.events != other.events


def test_many_calls_share_a_loop_and_nothing_else() -> None:
    scripts = [Script(f"s{i}", (ASK, THANKS), room=room()) for i in range(3)]
    outcomes = simulate_all(scripts)
    assert [o.script.name for o in outcomes] == ["s0", "s1", "s2"]
    stories = [[(e.kind, e.turn, e.data.get("text")) for e in o.events] for o in outcomes]
    assert stories[0] == stories[1] == stories[2]
    assert outcomes[2].length_ms == pytest.approx(outcomes[0].length_ms, abs=40.0)

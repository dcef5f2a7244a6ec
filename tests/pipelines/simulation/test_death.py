"""One engine of a call dies in the middle of a turn, for good, and another one stands by: the caller is answered."""

from __future__ import annotations

import pytest
from spoken import room, spoken

from config.schema import TurnPolicy
from pipelines.events import EventKind
from pipelines.simulation.call import Outcome, World, simulate
from pipelines.simulation.death import Death, How
from pipelines.simulation.engines import Delays
from pipelines.simulation.script import Kind, Move, Script

ASK = Move(
    Kind.TURN,
    spoken("can you tell me your address"),
    reply="Of course. We are at the market square, number five. Shall I send it to you?",
)
THANKS = Move(Kind.TURN, spoken("many thanks to you"), reply="You are welcome. Goodbye!")
SLOW = Delays(stt_final_ms=250.0, llm_first_token_ms=400.0, llm_word_ms=60.0, tts_first_audio_ms=200.0)
LONGEST_SILENCE_MS = TurnPolicy().unexplained_silence_ms
TROUBLE = (EventKind.STAGE_SWITCHED, EventKind.STAGE_HEDGED)


def play(death: Death | None) -> Outcome:
    script = Script("death", (ASK, THANKS), room=room(), patience_ms=12_000.0)
    return simulate(script, World(delays=SLOW, death=death))


def longest_silence_ms(outcome: Outcome) -> float:
    """From each end of the caller's speech to the answer, and inside the answers."""
    longest = 0.0
    for done in outcome.done:
        silent_since = done.end_ms
        begins = [other.start_ms for other in outcome.done if other.start_ms > silent_since]
        until = min(begins, default=outcome.length_ms)
        for start, end in outcome.phone.voice(1.0):
            if silent_since < end and start < until:
                longest = max(longest, start - silent_since)
                silent_since = end
        assert silent_since > done.end_ms, "there was an answer"
    return longest


@pytest.fixture(scope="module")
def asked_ms() -> float:
    """When the caller's first turn ends."""
    return play(None).done[0].end_ms


@pytest.mark.parametrize("how", [How.STALLS, How.BREAKS, How.IS_LIMITED, How.REFUSES])
@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
@pytest.mark.parametrize("after_ms", [-200.0, 150.0, 700.0, 1300.0, 1700.0])
def test_the_caller_is_answered_in_time_and_in_full(stage: str, how: How, after_ms: float, asked_ms: float) -> None:
    outcome = play(Death(stage, how, asked_ms + after_ms))
    assert [turn.heard_text for turn in outcome.turns][1:] == [ASK.reply, THANKS.reply]
    assert [turn.caller_text for turn in outcome.turns][1:] == ["can you tell me your address", "many thanks to you"]
    assert longest_silence_ms(outcome) <= LONGEST_SILENCE_MS
    assert [event for event in outcome.events if event.kind in TROUBLE]
    assert not [event for event in outcome.events if event.kind is EventKind.STAGE_FAILED]
    assert outcome.open_requests == 0


@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
def test_who_died_is_left_alone_from_then_on(stage: str, asked_ms: float) -> None:
    outcome = play(Death(stage, How.REFUSES, asked_ms - 200.0))
    reasons = [event.data["reason"] for event in outcome.events if event.kind is EventKind.STAGE_SWITCHED]
    assert reasons[0] == "refused"
    assert reasons.count("refused") == 1
    assert set(reasons[1:]) <= {"benched"}
    assert [event.data["seconds"] for event in outcome.events if event.kind is EventKind.STAGE_BENCHED] == [300.0]

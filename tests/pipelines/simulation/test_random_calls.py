"""Random dialogues and random troubles through the real conversation: what has to hold in every one of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from spoken import room, spoken

from config.schema import AgentSettings, TurnPolicy
from pipelines.events import EventKind
from pipelines.simulation.call import Outcome, World, simulate
from pipelines.simulation.engines import VOICES, Delays
from pipelines.simulation.script import BYSTANDERS, TURNS, Cue, Kind, Move, Script
from pipelines.stages import Expect

REPLIES = (
    "Yes.",
    "All right, that is noted. What else?",
    "I can offer you Tuesday at nine, or Thursday at half past two. Which of these would suit you better?",
)
ROOM = room()
CALLS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def moves(draw: st.DrawFn) -> tuple[Move, ...]:
    """Up to six things a caller does. Every word he says is another one."""
    found, words = [], 0
    kinds = (Kind.TURN, Kind.TURN, Kind.BARGE_IN, Kind.BACKCHANNEL, Kind.TIC, Kind.NON_DIRECTED, Kind.KEY)
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(kinds))
        count = draw(st.integers(1, 2 if kind in BYSTANDERS else 6))
        holds = draw(st.dictionaries(st.integers(1, 5), st.integers(60, 2000), max_size=2))
        text = " ".join(f"word{words + i}" for i in range(count))
        words += count
        found.append(
            Move(
                kind,
                spoken(text, holds, seed=words),
                cue=draw(st.sampled_from(Cue)),
                wait_ms=draw(st.floats(0, 2500)),
                reply=draw(st.sampled_from(REPLIES)),
                expect=draw(st.sampled_from(Expect)),
                digit=draw(st.sampled_from("0123456789*#")),
            )
        )
    if draw(st.booleans()):
        found.append(Move(Kind.HANG_UP, cue=Cue.AFTER_MOVE, wait_ms=draw(st.floats(0, 3000))))
    return tuple(found)


policies = st.builds(
    TurnPolicy,
    base_wait_ms=st.integers(100, 1500),
    min_wait_ms=st.integers(50, 500),
    barge_in=st.booleans(),
    protect_greeting=st.booleans(),
)
slow = st.builds(
    Delays,
    stt_partial_ms=st.floats(0, 500),
    stt_final_ms=st.floats(0, 1500),
    llm_first_token_ms=st.floats(0, 4000),
    llm_word_ms=st.floats(0, 200),
    tts_first_audio_ms=st.floats(0, 2000),
    jitter_ms=st.floats(0, 500),
)
broken = st.builds(
    lambda delays, failures, hangs: msgspec.structs.replace(delays, failures=failures, hangs=hangs),
    slow,
    st.floats(0, 1),
    st.floats(0, 0.5),
)


@contextmanager
def nothing_logged_as_an_error() -> Iterator[None]:
    """The pacer takes a call that fails out and goes on: here that is a failure."""
    records: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: records.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger("pipelines").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("pipelines").removeHandler(handler)
    assert not records, records


def play(script_moves: tuple[Move, ...], policy: TurnPolicy, delays: Delays, seed: int) -> Outcome:
    """Raises whatever is illegal: a transition, a task left behind, a call without an end."""
    script = Script("random", script_moves, room=ROOM, patience_ms=4000.0)
    with nothing_logged_as_an_error():
        outcome = simulate(script, World(AgentSettings(turn=policy), delays=delays, seed=seed))
    for done in outcome.done:
        note(f"{done.at_ms:8.0f} {done.move.kind} {done.move.cue} {[w.text for w in done.move.clip.words]}")
    for event in outcome.events:
        note(f"{event.at_ms:8.0f} {event.kind} {event.turn} {event.data}")
    return outcome


def check_nothing_is_said_after_it_was_cancelled(outcome: Outcome) -> None:
    """Audio of a reply that was broken off is never sent later than that."""
    began: dict[int | None, float] = {}
    for event in outcome.events:
        if event.kind is EventKind.REPLY_STARTED:
            began[event.turn] = event.at_ms
        if event.kind is EventKind.REPLY_FINISHED and event.data["interrupted"] and event.turn in began:
            spoken_then = {r for at, r in outcome.phone.sent if began[event.turn] - 1 <= at <= event.at_ms}
            assert len(outcome.texts) <= VOICES, "requests could not be told apart"
            assert not [at for at, r in outcome.phone.sent if r in spoken_then and at > event.at_ms + 0.01]


def check_turns_are_recorded_once_and_in_order(outcome: Outcome) -> None:
    indices = [turn.index for turn in outcome.turns]
    assert indices == sorted(set(indices))
    for turn in outcome.turns:
        assert turn.started_ms <= turn.ended_ms <= outcome.length_ms + 1


@CALLS
@given(moves(), policies, broken, st.integers(0, 1000))
def test_whatever_happens_a_call_ends_and_leaves_nothing(
    script: tuple[Move, ...], policy: TurnPolicy, delays: Delays, seed: int
) -> None:
    outcome = play(script, policy, delays, seed)
    assert outcome.open_requests == 0
    check_nothing_is_said_after_it_was_cancelled(outcome)
    check_turns_are_recorded_once_and_in_order(outcome)


@CALLS
@given(moves(), policies, slow, st.integers(0, 1000))
def test_no_word_is_lost_and_none_is_heard_twice(
    script: tuple[Move, ...], policy: TurnPolicy, delays: Delays, seed: int
) -> None:
    """Every word of a turn stands in exactly one turn of the record, unless it was judged no turn, on the record."""
    prompt = msgspec.structs.replace(delays, stt_partial_ms=0.0, stt_final_ms=min(delays.stt_final_ms, 1000.0))
    without_keys = tuple(move for move in script if move.kind is not Kind.KEY)  # a key drops what is being said
    outcome = play(without_keys, policy, prompt, seed)
    kept = Counter(word for turn in outcome.turns for word in turn.caller_text.split())
    judged = {w for e in outcome.events if e.kind is EventKind.FALSE_ALARM for w in e.data["text"].split()}
    assert not [word for word, count in kept.items() if count > 1]
    spoken_out = [
        word.text
        for done in outcome.done
        if not done.dropped and done.move.kind in TURNS
        for word in done.move.clip.words
        if done.at_ms + word.end_ms + 60.0 < outcome.length_ms
    ]
    assert not [word for word in spoken_out if word not in kept and word not in judged]


LONGEST_SILENCE_MS = TurnPolicy().unexplained_silence_ms + 150.0  # deadlines are looked at every 100 ms


@CALLS
@given(moves(), slow, st.integers(0, 1000))
def test_nobody_waits_in_unexplained_silence(script: tuple[Move, ...], delays: Delays, seed: int) -> None:
    """However slow recogniser and model are: after a turn the agent is heard in time, or the caller goes on first."""
    prompt_voice = msgspec.structs.replace(delays, tts_first_audio_ms=80.0, jitter_ms=0.0)
    turns = tuple(move for move in script if move.kind in TURNS)
    outcome = play(turns, TurnPolicy(), prompt_voice, seed)
    voice = list(outcome.phone.voice(1.0))
    begun = [done.start_ms for done in outcome.done] + [outcome.length_ms]
    for done in (d for d in outcome.done if not d.dropped):
        end = done.end_ms
        if not any(start <= end < over for start, over in voice):
            until = [start for start, _ in voice if start >= end] + [at for at in begun if at > done.start_ms]
            assert min(until) - end <= LONGEST_SILENCE_MS


@pytest.mark.parametrize("wait_ms", range(0, 1000, 40))
def test_what_was_added_to_a_turn_is_kept_whenever_the_call_ends(wait_ms: int) -> None:
    """The turn was committed with its first word, taken back and committed with both; the call ends, perhaps before the
    recogniser has the second one."""
    script = (
        Move(Kind.TURN, spoken("word1"), reply="Yes?"),
        Move(Kind.TURN, spoken("word2"), cue=Cue.AFTER_MOVE, wait_ms=700.0),
        Move(Kind.HANG_UP, cue=Cue.AFTER_MOVE, wait_ms=float(wait_ms)),
    )
    delays = Delays(stt_partial_ms=0.0, stt_final_ms=400.0, llm_first_token_ms=2000.0)
    world = World(AgentSettings(turn=TurnPolicy(base_wait_ms=100, min_wait_ms=50)), delays=delays)
    outcome = simulate(Script("added", script, room=ROOM), world)
    assert EventKind.TURN_RESUMED in [event.kind for event in outcome.events]
    texts = [turn.caller_text for turn in outcome.turns if turn.caller_text]
    assert texts == ["word1 word2"] or wait_ms < 60

"""A stored call run again: the same with its own settings, different where other settings make a difference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from recorded_calls import CALM, Line, Recorded, Said, record

from config.schema import AgentSettings, CallLimits, TurnPolicy
from pipelines.clock import TOLD_MS
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.replay.call import Outcome, listen, replay
from pipelines.replay.caller import Facts, observe
from pipelines.replay.judge import Verdict, fidelity, judge
from pipelines.replay.stored import StoredCall
from pipelines.timing import Mark, Turn

FRAME = 20.0
BOOK = Said(2500, "book")
HESITANT = [BOOK, Said(int(BOOK.ends_ms) + 500, "book_rest")]  # one sentence with half a second in it
HOURS = Said(2500, "hours")


def said_and_done(turns: list[Turn]) -> list[tuple[int, str, str, bool]]:
    return [(turn.index, turn.caller_text, turn.generated_text, turn.interrupted) for turn in turns]


def kinds(events: list[CallEvent]) -> list[tuple[EventKind, int | None]]:
    return [(event.kind, event.turn) for event in events if event.kind is not EventKind.TOOL_FINISHED]


def times(turns: list[Turn]) -> list[float]:
    found: list[float | None] = []
    for turn in turns:
        found += [turn.started_ms, *turn.marks.values(), turn.agent_started_ms, turn.agent_ended_ms]
    return [at for at in found if at is not None]


def same(recorded: Recorded, out: Outcome, within_ms: float) -> None:
    assert said_and_done(out.turns) == said_and_done(recorded.turns)
    assert kinds(out.events) == kinds(recorded.events)
    assert [e.data.get("reason") for e in out.events] == [e.data.get("reason") for e in recorded.events]
    assert len(times(out.turns)) == len(times(recorded.turns))
    worst = max(abs(a - b) for a, b in zip(times(out.turns), times(recorded.turns), strict=True))
    assert worst <= within_ms
    assert out.reason is recorded.reason
    assert out.ended_ms == pytest.approx(recorded.ended_ms, abs=within_ms + FRAME)


def with_turn(call: StoredCall, **changes: Any) -> AgentSettings:
    return msgspec.structs.replace(call.agent, turn=msgspec.structs.replace(call.agent.turn, **changes))


def facts(recorded: Recorded) -> Facts:
    return observe(listen(recorded.call), recorded.turns)


def again(recorded: Recorded, agent: AgentSettings | None = None) -> Outcome:
    return replay(recorded.call, agent or recorded.call.agent, facts(recorded))


def verdict(recorded: Recorded, out: Outcome) -> Verdict:
    return judge(out.turns, out.events, facts(recorded), out.axis)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ([HOURS, Said(12_000, "no")], Line()),
        ([HOURS, Said(6800, "book"), Said(18_000, "no")], Line()),  # he interrupts
        (HESITANT, Line(lost=range(140, 147))),
        (HESITANT, Line(prepared_ms=1000.0)),
        (HESITANT, Line(keys={500: "4", 510: "2", 511: "#"})),
        (HESITANT, Line(recogniser_fails=True)),
    ],
    ids=["an answer with a tool, and a goodbye", "barge-in", "lost frames", "early audio", "keys", "failures"],
)
def test_with_its_own_settings_a_call_is_repeated(said: list[Said], line: Line) -> None:
    recorded = record(said, length_ms=26_000, line=line)
    assert len(recorded.turns) > 1
    out = again(recorded)
    same(recorded, out, within_ms=1.0)
    assert msgspec.structs.astuple(out.approximations) == (0, 0, 0, 0, 0)


def test_late_frames_are_as_late_in_a_repeated_call() -> None:
    """The lateness that is too small to be noted is all that is left."""
    recorded = record(
        [HOURS, Said(6800, "book"), Said(18_000, "no")],
        length_ms=26_000,
        line=Line(late_ms=lambda frame: (frame * 7 % 13) * 1.4),
    )
    assert min(recorded.call.late.values()) < FRAME
    out = again(recorded)
    same(recorded, out, within_ms=TOLD_MS)
    then = judge(recorded.turns, recorded.events, facts(recorded))
    told = fidelity(then.turns, verdict(recorded, out).turns)
    assert (told.turns, told.repeated) == (len(recorded.turns), len(recorded.turns))
    assert told.worst_ms <= TOLD_MS


def test_a_stalled_line_stalls_the_repeated_call() -> None:
    """Half a second without audio, then all of it at once, where the decision would have fallen."""

    def late(frame: int) -> float:
        return max(0.0, 750.0 - (frame - 240) * FRAME) if frame >= 240 else 0.0

    recorded = record([HOURS, Said(14_000, "no")], length_ms=24_000, line=Line(late_ms=late))
    on_time = record([HOURS, Said(14_000, "no")], length_ms=24_000)
    delay = recorded.turns[1].marks[Mark.ENDPOINT] - on_time.turns[1].marks[Mark.ENDPOINT]
    assert delay > 300
    same(recorded, again(recorded), within_ms=1.0)


def test_speculation_is_repeated_too() -> None:
    policy = TurnPolicy(base_wait_ms=800, min_wait_ms=800, max_wait_ms=800)
    recorded = record(HESITANT, length_ms=20_000, turn=policy)
    started = sum(turn.speculation.started for turn in recorded.turns)
    assert started > 1, "at both pauses"
    out = again(recorded)
    same(recorded, out, within_ms=1.0)
    for ours, theirs in zip(out.turns, recorded.turns, strict=True):
        one, other = ours.speculation, theirs.speculation
        assert (one.hits, one.misses) == (other.hits, other.misses)
        assert one.saved_ms == pytest.approx(other.saved_ms, abs=1.0)
        assert one.tokens_wasted == pytest.approx(other.tokens_wasted, abs=2), "at the word at which it was cut"


def test_a_shorter_wait_answers_sooner_and_cuts_off_who_hesitates() -> None:
    recorded = record(HESITANT, length_ms=20_000)
    before = verdict(recorded, again(recorded))
    out = again(recorded, with_turn(recorded.call, base_wait_ms=200, min_wait_ms=200, max_wait_ms=200))
    after = verdict(recorded, out)
    assert (before.false_cut_offs, before.decisions) == (0, 1)
    assert (after.false_cut_offs, after.decisions) == (1, 2)
    assert after.resumed_turns == 1, "nothing was audible yet: the turn goes on"
    sooner = (before.turns[1].response_latency_ms or 0) - (after.turns[1].response_latency_ms or 0)
    assert sooner == pytest.approx(600, abs=FRAME)
    assert after.turns[1].caller_text == before.turns[1].caller_text
    assert (out.approximations.stt, out.approximations.llm) == (0, 1), "nobody had ever answered half a sentence"


def test_a_longer_wait_makes_one_turn_of_two() -> None:
    short = msgspec.structs.replace(CALM, base_wait_ms=200, min_wait_ms=200, max_wait_ms=200)
    later = Said(int(BOOK.ends_ms) + 750, "book_rest")  # he had heard the answer, a little
    recorded = record([BOOK, later], length_ms=20_000, turn=short)
    assert [turn.caller_text for turn in recorded.turns[1:]] == [
        "I would like to book an appointment",
        "for next Tuesday at ten.",
    ]
    out = again(recorded, with_turn(recorded.call, base_wait_ms=1200, max_wait_ms=1200))
    assert [turn.caller_text for turn in out.turns[1:]] == [
        "I would like to book an appointment for next Tuesday at ten."
    ]
    assert out.approximations.stt == 1, "the words of two answers"


def test_who_may_not_interrupt_does_not() -> None:
    recorded = record([HOURS, Said(6800, "book")], length_ms=20_000)
    before = verdict(recorded, again(recorded))
    after = verdict(recorded, again(recorded, with_turn(recorded.call, barge_in=False)))
    assert (before.barge_ins, after.barge_ins) == (1, 0)
    answer = after.turns[1]
    assert answer.heard_text == recorded.turns[1].generated_text, "as far as the model had written when it was cut"


def test_a_silent_caller_is_asked_sooner_when_the_settings_say_so() -> None:
    recorded = record([], length_ms=60_000, limits=CallLimits(caller_silence_s=10))
    prompts = [turn.started_ms for turn in recorded.turns[1:]]
    assert len(prompts) == 3, "two questions and a goodbye"
    same(recorded, again(recorded), within_ms=1.0)
    agent = msgspec.structs.replace(recorded.call.agent, limits=CallLimits(caller_silence_s=3))
    out = again(recorded, agent)
    assert out.turns[1].started_ms < prompts[0] - 6000
    assert out.reason is EndReason.CALLER_SILENT


def test_the_caller_waits_for_a_later_answer_as_he_waited_then() -> None:
    """He spoke 300 ms after the end of an answer; a wait that is longer than this moves him, and nothing else."""
    first = record([HOURS], length_ms=12_000)
    ended_ms = first.turns[1].agent_ended_ms or 0.0
    recorded = record([HOURS, Said(int(ended_ms) + 300, "no")], length_ms=26_000)
    out = again(recorded, with_turn(recorded.call, base_wait_ms=1500, min_wait_ms=1500, max_wait_ms=1500))
    assert [turn.caller_text for turn in out.turns] == [turn.caller_text for turn in recorded.turns]
    assert not any(turn.interrupted for turn in out.turns)
    for turns in (recorded.turns, out.turns):
        began, ended = turns[2].caller_started_ms, turns[1].agent_ended_ms
        assert began is not None
        assert ended is not None
        assert began - ended == pytest.approx(300, abs=2 * FRAME)
    told = verdict(recorded, out)
    assert [turn.recording_ms for turn in told.turns[1:]] == pytest.approx(
        [turn.started_ms for turn in recorded.turns[1:]], abs=2 * FRAME
    )
    assert told.turns[2].started_ms - recorded.turns[2].started_ms == pytest.approx(700, abs=3 * FRAME)
    sooner = again(recorded, with_turn(recorded.call, base_wait_ms=300, min_wait_ms=300, max_wait_ms=300))
    assert (sooner.turns[2].caller_started_ms or 0) < (recorded.turns[2].caller_started_ms or 0) - 400
    assert [turn.caller_text for turn in sooner.turns] == [turn.caller_text for turn in recorded.turns]


def test_a_replay_is_the_same_every_time() -> None:
    recorded = record([HOURS, Said(6800, "book"), Said(18_000, "no")], length_ms=26_000)
    agent = with_turn(recorded.call, base_wait_ms=250, min_wait_ms=250)
    first, second = (msgspec.json.encode(verdict(recorded, again(recorded, agent))) for _ in range(2))
    assert first == second


def test_the_caller_hangs_up_when_he_did() -> None:
    recorded = record([HOURS], length_ms=7000)
    out = again(recorded)
    assert out.reason is EndReason.CALLER_HANGUP
    assert out.ended_ms == pytest.approx(7000, abs=FRAME)
    assert said_and_done(out.turns) == said_and_done(recorded.turns)

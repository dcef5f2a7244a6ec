"""What is counted as an answer, a yield, an interruption or a sound that changed nothing: calls made by hand."""

from __future__ import annotations

import pytest

from benchmarks.turns.observe import BystanderSeen, TurnSeen, observe
from benchmarks.turns.summary import quantile, summarise
from pipelines.events import EndReason
from pipelines.machines.speculation import Ledger
from pipelines.simulation.call import Outcome
from pipelines.simulation.caller import Done
from pipelines.simulation.phone import Phone, Played
from pipelines.simulation.script import Clip, Kind, Move, Script
from pipelines.timing import Turn

END_MS = 20_000.0


def did(kind: Kind, at_ms: float, *speech: tuple[float, float]) -> Done:
    return Done(0, Move(kind, Clip(speech=speech or ((0.0, 1000.0),))), at_ms)


def call(done: list[Done], agent: list[tuple[float, float, int]], turns: list[Turn] | None = None) -> Outcome:
    """`agent`: (from, to, request of the voice)."""
    phone = Phone(lambda: END_MS)
    phone.played = [Played(start, end, request, start) for start, end, request in agent]
    phone.turns = turns or []
    script = Script("by hand", tuple(d.move for d in done))
    return Outcome(script, tuple(done), phone, EndReason.CALLER_HANGUP, END_MS, (), 0)


def turns(done: list[Done], agent: list[tuple[float, float, int]]) -> tuple[TurnSeen, ...]:
    return observe(call(done, agent)).turns


def test_latency_runs_from_the_last_sample_of_speech_to_the_first_of_a_new_answer() -> None:
    first, second = turns([did(Kind.TURN, 1000), did(Kind.TURN, 6000)], [(0, 800, 0), (2400, 5000, 1), (7900, 9000, 2)])
    assert (first.latency_s, first.asked, first.interruptions, first.yields) == (pytest.approx(0.4), True, 0, None)
    assert second.latency_s == pytest.approx(0.9)


def test_what_goes_on_after_a_pause_is_no_answer() -> None:
    (turn,) = turns([did(Kind.BARGE_IN, 1000)], [(0, 1300, 0), (2500, 4000, 0)])
    assert turn.latency_s is None
    assert turn.yields is True
    assert turn.yield_s == pytest.approx(0.3)


def test_an_answer_that_comes_after_the_next_turn_began_is_no_answer() -> None:
    first, second = turns([did(Kind.TURN, 1000), did(Kind.TURN, 5000)], [(0, 800, 0), (6500, 8000, 1)])
    assert first.latency_s is None
    assert second.latency_s == pytest.approx(0.5)


def test_speaking_in_a_hold_is_an_interruption() -> None:
    held = did(Kind.TURN, 1000, (0.0, 500.0), (1500.0, 2000.0))
    (turn,) = turns([held], [(0, 800, 0), (1900, 2600, 1), (3400, 5000, 2)])
    assert turn.interruptions == 1
    assert turn.latency_s == pytest.approx(0.4)
    assert turn.eva == pytest.approx(0.475)  # 100 ms over the caller's speech


@pytest.mark.parametrize(
    ("agent", "yields"),
    [
        ([(0, 1400, 0)], True),
        ([(0, 3100, 0)], False),  # went on for more than 2 s
        ([(0, 1300, 0), (1800, 1950, 0)], False),  # paused, and went on into the caller's words
    ],
)
def test_yielding_is_to_be_silent_within_two_seconds_and_to_stay_so(
    agent: list[tuple[float, float, int]], yields: bool
) -> None:
    (turn,) = turns([did(Kind.BARGE_IN, 1000)], agent)
    assert turn.yields is yields


def reply(started_ms: float, ended_ms: float, *, cut: bool = False, asked: bool = True) -> Turn:
    return Turn(
        index=1,
        started_ms=started_ms - 500,
        ended_ms=ended_ms,
        caller_started_ms=started_ms - 500 if asked else None,
        agent_started_ms=started_ms,
        interrupted=cut,
    )


@pytest.mark.parametrize(
    ("agent", "record", "kept", "through"),
    [
        ([(0, 5000, 0)], [reply(0, 5000)], True, True),
        ([(0, 1300, 0), (1700, 5400, 0)], [reply(0, 5400)], True, False),  # paused for 400 ms, and went on
        ([(0, 1300, 0), (1450, 5100, 0)], [reply(0, 5100)], True, True),  # too short a pause to be noticed
        ([(0, 1400, 0)], [reply(0, 1400, cut=True)], False, False),
        ([(0, 1600, 0), (2400, 4000, 1)], [reply(0, 1600), reply(2400, 4000)], False, False),  # answered
    ],
)
def test_keeping_the_floor_through_a_backchannel(
    agent: list[tuple[float, float, int]], record: list[Turn], kept: bool, through: bool
) -> None:
    done = [did(Kind.BACKCHANNEL, 1000, (0.0, 300.0)), did(Kind.TURN, 9000)]
    seen = observe(call(done, agent, record)).bystanders
    assert seen == (BystanderSeen(Kind.BACKCHANNEL, True, kept, through),)


def test_a_cough_in_the_silence_is_to_be_left_without_an_answer() -> None:
    done = [did(Kind.TIC, 3000, (0.0, 300.0)), did(Kind.TURN, 9000)]
    quiet = observe(call(done, [(0, 2000, 0)], [reply(0, 2000)])).bystanders
    asked = observe(call(done, [(0, 2000, 0), (4000, 5000, 1)], [reply(0, 2000), reply(4000, 5000)])).bystanders
    reprompt = observe(call(done, [(0, 2000, 0), (4000, 5000, 1)], [reply(4000, 5000, asked=False)])).bystanders
    assert [seen[0].kept for seen in (quiet, asked, reprompt)] == [True, False, True]


def test_a_row_says_nothing_where_nothing_happened() -> None:
    row = summarise([observe(call([did(Kind.TURN, 1000)], [(0, 800, 0), (2500, 3000, 1)]))])
    assert (row.turns, row.response_rate, row.response_latency_p50_s) == (1, 1.0, pytest.approx(0.5))
    assert (row.yield_rate, row.selectivity, row.yield_latency_s) == (None, None, None)


def test_selectivity_is_the_mean_over_the_kinds() -> None:
    seen = observe(call([], []))
    events = [(Kind.TIC, True), (Kind.TIC, True), (Kind.TIC, True), (Kind.BACKCHANNEL, False)]
    bystanders = tuple(BystanderSeen(kind, True, kept, False) for kind, kept in events)
    row = summarise([type(seen)((), bystanders, Ledger(), 0)])
    assert (row.selectivity, row.selectivity_tic, row.selectivity_backchannel) == (0.5, 1.0, 0.0)
    assert row.selectivity_talked_through == 0.0


def test_quantiles_are_values_that_occurred() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert quantile(range(1, 101), 0.95) == 95
    assert quantile([], 0.5) is None

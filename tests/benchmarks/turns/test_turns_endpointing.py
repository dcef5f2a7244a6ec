"""Holds and waits, the operating points of a curve, and the policies to compare with."""

from __future__ import annotations

import pytest

from benchmarks.turns import baselines
from benchmarks.turns.endpointing import Ends, curve, ends, patient, point, sweep
from pipelines.simulation.script import Clip, Cue, Kind, Move, Script
from pipelines.stages import Word

OF = ("d", "clean", "en")
MOVE = Move(
    Kind.TURN,
    Clip(
        speech=((0.0, 500.0), (1000.0, 2000.0), (2100.0, 3000.0)),
        words=(Word("one", 0.0, 500.0), Word("two", 1000.0, 3000.0)),
    ),
)


def judged(*decisions: float, next_s: float = 20.0) -> Ends:
    """The turn begins at 10 s: a hold until 11 s, a gap of 100 ms that is none, the end at 13 s."""
    return ends(MOVE, 10.0, decisions, next_s, OF)


@pytest.mark.parametrize(
    ("decisions", "cut", "wait"),
    [
        ((13.4,), None, 0.4),
        ((10.8, 13.4), 0.3, 0.4),
        ((11.05, 13.4), 0.55, 0.4),  # the caller had gone on, but nobody could know yet
        ((11.2, 13.4), None, 0.4),  # in the middle of speech: no cut-off of a hold
        ((), None, None),
        ((20.5,), None, None),  # the next turn has begun
    ],
)
def test_pauses(decisions: tuple[float, ...], cut: float | None, wait: float | None) -> None:
    hold, end = judged(*decisions).pauses
    assert (hold.hold, end.hold) == (True, False)
    assert hold.length_s == pytest.approx(0.5)
    assert (hold.said, end.said) == ("one", "one two")
    assert hold.decided_s == (None if cut is None else pytest.approx(cut))
    assert end.decided_s == (None if wait is None else pytest.approx(wait))


def test_a_point_counts_holds_and_waits_and_a_missed_end_is_a_long_wait() -> None:
    found = point("x", [judged(10.8, 13.4), judged(13.2), judged()])
    assert found.false_cutoff_rate == pytest.approx(1 / 3)
    assert found.turns_cut_off == pytest.approx(1 / 3)
    assert found.mean_wait_s == pytest.approx((0.4 + 0.2 + 5.0) / 3)


def test_operating_points_are_the_best_within_a_budget() -> None:
    found = curve(
        {
            "hasty": [judged(10.6, 13.1)] * 10,
            "middle": [judged(10.8, 13.5)] + [judged(13.5)] * 11,
            "careful": [judged(14.0)] * 10,
        }
    )
    assert found.wait_at_5pct_s == pytest.approx(1.0)
    assert found.wait_at_10pct_s == pytest.approx(0.5)
    assert found.false_cutoffs_at_300ms == 1.0
    assert found.false_cutoffs_at_600ms == pytest.approx(1 / 12)
    assert curve({"hasty": [judged(10.6, 13.1)]}).wait_at_5pct_s is None


def test_the_baselines_wait_for_silence_and_the_switch_for_a_sentence() -> None:
    gaps = ((10.5, 11.0), (13.0, 19.0))
    found = baselines.Silences(((10.0, MOVE),), gaps, (False, True), 20.0, *OF)

    def outcome(short_s: float, long_s: float) -> list[float | None]:
        return [p.decided_s for p in baselines.judged(found, short_s, long_s)[0].pauses]

    assert outcome(0.3, 0.3) == [pytest.approx(0.3), pytest.approx(0.3)]
    assert outcome(0.6, 0.6) == [None, pytest.approx(0.6)]
    assert outcome(0.3, 2.5) == [None, pytest.approx(0.3)]


def test_the_turns_alone_are_what_endpointing_is_measured_on() -> None:
    hum = Move(Kind.BACKCHANNEL, Clip(), Cue.DURING_AGENT)
    barge = Move(Kind.BARGE_IN, Clip(), Cue.DURING_AGENT, 900.0)
    found = patient(Script("d", (MOVE, hum, barge))).moves
    assert [(m.kind, m.cue) for m in found] == [(Kind.TURN, Cue.AFTER_AGENT)] * 2


@pytest.mark.parametrize("quick", [True, False])
def test_the_sweep_reaches_from_hasty_to_more_patient_than_any_hold(quick: bool) -> None:
    waits = [(p.min_wait_ms, p.base_wait_ms) for p in sweep(quick=quick)]
    assert min(base for _, base in waits) <= 100
    assert max(least for least, _ in waits) >= 2000
    assert len(set(sweep(quick=quick))) == len(waits)

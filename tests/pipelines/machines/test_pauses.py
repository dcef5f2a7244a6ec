"""The estimates of a caller's own pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.machines.pauses import STRETCH, SURENESS, PauseEstimate

LIKELY = 0.9  # all these pauses sounded like an end


def after(*pauses_ms: float, likely_over: float = LIKELY) -> PauseEstimate:
    estimate = PauseEstimate()
    for pause_ms in pauses_ms:
        estimate.went_on(likely_over, pause_ms)
    return estimate


def test_a_caller_of_whom_nothing_is_known_is_like_all() -> None:
    assert after().stretch() == pytest.approx(1.0)
    assert after().sureness() == 0.0


def test_two_or_three_pauses_are_enough_to_know_a_caller() -> None:
    assert after(1000.0, 1000.0).stretch() > 1.4
    assert after(1000.0, 1000.0, 1000.0).stretch() > 1.45
    assert after(280.0, 280.0, 280.0).stretch() < 0.8


def test_going_on_after_what_sounds_finished_makes_every_end_less_sure_and_ends_make_it_surer() -> None:
    estimate = after(500.0, 500.0)
    assert estimate.sureness() < -0.8
    for _ in range(10):
        estimate.ended(0.5)
    assert estimate.sureness() > 0.0


def test_a_pause_where_nobody_would_be_done_says_nothing() -> None:
    estimate = after(1500.0, 1500.0, likely_over=0.01)
    assert estimate.sureness() == pytest.approx(0.0, abs=0.02)
    assert estimate.stretch() < 1.1


def test_a_cut_off_is_a_hold_after_all() -> None:
    seen, cut = after(600.0), PauseEstimate()
    cut.ended(LIKELY)
    cut.cut_off(LIKELY, 600.0)
    assert cut.sureness() == pytest.approx(seen.sureness())
    assert cut.stretch() == pytest.approx(seen.stretch())


def test_a_pause_of_which_only_a_lower_bound_is_known_says_at_least_that() -> None:
    seen, cut = PauseEstimate(), PauseEstimate()
    seen.cut_off(LIKELY, 600.0)
    cut.cut_off_after(LIKELY, 600.0)
    assert cut.stretch() > seen.stretch() > 0


def test_closures_of_consonants_are_no_pauses() -> None:
    assert after(120.0, 160.0).sureness() == 0.0


def test_one_odd_pause_does_not_undo_what_is_known() -> None:
    usual = after(*[500.0] * 4).stretch()
    assert after(*[500.0] * 4, 60_000.0).stretch() < 1.35 * usual


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 3]), st.floats(1, 1e5), st.floats(0, 1)), max_size=12))
def test_the_estimates_stay_in_their_bounds(happened: list[tuple[int, float, float]]) -> None:
    estimate = PauseEstimate()
    for what, pause_ms, likely_over in happened:
        if what == 0:
            estimate.ended(likely_over)
        else:
            (estimate.went_on, estimate.cut_off, estimate.cut_off_after)[what - 1](likely_over, pause_ms)
        assert STRETCH[0] <= estimate.stretch() <= STRETCH[1]
        assert SURENESS[0] <= estimate.sureness() <= SURENESS[1]

"""The estimate of a caller's own pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.machines.pauses import STRETCH, PauseEstimate

USUAL = 500.0


def after(*pauses_ms: float) -> float:
    estimate = PauseEstimate()
    for pause_ms in pauses_ms:
        estimate.observed(pause_ms, USUAL)
    return estimate.stretch()


def test_a_caller_of_whom_nothing_is_known_is_like_all() -> None:
    assert after() == pytest.approx(1.0)


def test_two_or_three_pauses_are_enough_to_know_a_caller() -> None:
    assert after(1000.0, 1000.0) > 1.4
    assert after(1000.0, 1000.0, 1000.0) > 1.45
    assert after(280.0, 280.0, 280.0) < 0.8


def test_the_wait_covers_the_pauses_of_a_caller_who_goes_on_where_others_are_done() -> None:
    estimate = PauseEstimate()
    assert estimate.covering_ms(USUAL) == 0.0
    covering = []
    for _ in range(3):
        estimate.observed(1000.0, USUAL)
        covering.append(estimate.covering_ms(USUAL))
    assert covering == sorted(covering)
    assert covering[2] > 1000.0
    for _ in range(6):
        estimate.ended()
    assert estimate.covering_ms(USUAL) < 0.7 * covering[2]
    estimate.ended(-6)
    assert estimate.covering_ms(USUAL) == covering[2]


def test_one_odd_pause_does_not_undo_what_is_known() -> None:
    usual = after(*[500.0] * 4)
    assert after(*[500.0] * 4, 60_000.0) < 1.35 * usual


def test_a_pause_of_which_only_a_lower_bound_is_known_says_at_least_that() -> None:
    seen, cut = PauseEstimate(), PauseEstimate()
    seen.observed(600.0, USUAL)
    cut.outlasted(600.0, USUAL)
    assert cut.stretch() > seen.stretch() > 0


def test_less_weight_says_less() -> None:
    full, part = PauseEstimate(), PauseEstimate()
    full.observed(1500.0, USUAL)
    part.observed(1500.0, USUAL, 0.3)
    assert 1.0 < part.stretch() < full.stretch()


@given(st.lists(st.tuples(st.booleans(), st.floats(1, 1e5), st.floats(0.01, 1)), max_size=12))
def test_the_stretch_stays_in_its_bounds(pauses: list[tuple[bool, float, float]]) -> None:
    estimate = PauseEstimate()
    for censored, pause_ms, weight in pauses:
        (estimate.outlasted if censored else estimate.observed)(pause_ms, USUAL, weight)
        assert STRETCH[0] <= estimate.stretch() <= STRETCH[1]

"""The weights of the product are those that the fit finds, and they carry over to domains that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.turns import fit
from pipelines.machines import odds


@pytest.fixture(scope="module")
def found() -> list[fit.Sample]:
    return fit.samples(fit.load())


def test_the_weights_are_the_fitted_ones(found: list[fit.Sample]) -> None:
    weights = fit.fitted(*fit.table(found))
    assert odds.weights() == {name: round(float(w), 2) for name, w in zip(fit.NAMES, weights, strict=True)}


def test_other_domains_are_waited_for_much_less_than_by_silence_alone(found: list[fit.Sample]) -> None:
    signs, over = fit.table(found)
    log_odds = fit.crossed(found, signs, over)
    alone, ours = fit.waits(np.zeros(len(found)), over), fit.waits(log_odds, over)
    assert all(mine < 0.65 * silence for mine, silence in zip(ours, alone, strict=True))
    assert fit.ranked(log_odds, over) > 0.8


def test_odds_are_calibrated_on_domains_that_were_left_out(found: list[fit.Sample]) -> None:
    signs, over = fit.table(found)
    log_odds = fit.crossed(found, signs, over)
    for low in (-2.0, -1.0, 0.0, 1.0):
        inside = (log_odds >= low) & (log_odds < low + 1)
        expected = 1 / (1 + np.exp(-log_odds[inside].mean()))
        assert over[inside].mean() == pytest.approx(expected, abs=0.1)


def test_a_turn_gives_its_holds_and_its_end() -> None:
    domains = {"en": {"shop": {"later": ["two apples | and a pear"]}}}
    marked = [one for one in fit.samples(domains) if one.said in ("two apples", "two apples and a pear")]
    assert [(one.said, one.over, one.opening) for one in marked] == [
        ("two apples", False, False),
        ("two apples and a pear", True, False),
    ]

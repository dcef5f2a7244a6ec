"""EVA's score of a turn, at the points that its documentation gives."""

from __future__ import annotations

import pytest

from benchmarks.turns.eva import ScoredTurn, interruption_score, latency_score, score, yield_score

CALLER = [(1000.0, 2000.0)]


@pytest.mark.parametrize(
    ("latency_ms", "plain", "tool"),
    [
        (-500, 0.0, 0.0),
        (0, 0.5, 0.5),
        (200, 0.7, 0.7),
        (500, 1.0, 1.0),
        (2000, 1.0, 1.0),
        (2750, 0.5, 1.0),
        (3000, 1 / 3, 1.0),
        (3500, 0.0, 0.75),
        (4000, 0.0, 0.5),
        (5000, 0.0, 0.0),
    ],
)
def test_the_latency_curve(latency_ms: float, plain: float, tool: float) -> None:
    assert latency_score(latency_ms) == pytest.approx(plain)
    assert latency_score(latency_ms, tool=True) == pytest.approx(tool)


@pytest.mark.parametrize(("yield_ms", "expected"), [(-50, 1.0), (0, 1.0), (600, 0.7), (1000, 0.5), (2500, 0.0)])
def test_the_yield_curve(yield_ms: float, expected: float) -> None:
    assert yield_score(yield_ms) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ([(2400.0, 3000.0)], None),  # after the turn: no interruption
        ([(1999.5, 1999.9), (2600.0, 3000.0)], 0.5),  # hardly any overlap: the cap
        ([(1500.0, 2500.0)], 0.375),  # 500 ms of overlap, goes on over the turn's end
        ([(1100.0, 1200.0), (1500.0, 1600.0), (2600.0, 3000.0)], 0.25),  # twice
        ([(1100.0, 1200.0), (1300.0, 1400.0), (1500.0, 1600.0)], 0.0),  # three times
        ([(1500.0, 1600.0), (5000.0, 6000.0)], 1 / 3),  # and then silence for 3 s
    ],
)
def test_an_interruption_is_never_free(agent: list[tuple[float, float]], expected: float | None) -> None:
    found = interruption_score(ScoredTurn(CALLER, agent))
    assert found == (None if expected is None else pytest.approx(expected, abs=0.001))


def test_what_characterises_a_turn_scores_it() -> None:
    answer = [(2400.0, 3000.0)]
    assert score(ScoredTurn(CALLER, answer)) == pytest.approx(0.9)
    assert score(ScoredTurn(CALLER, answer, agent_before=1600.0)) == pytest.approx(0.7)
    assert score(ScoredTurn(CALLER, [(1500.0, 2500.0)], agent_before=1100.0)) == pytest.approx(0.375)
    assert score(ScoredTurn(CALLER, [])) == 0.0

"""Call time against a monotonic clock, with frames that come late, in bursts and from another crystal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.clock import LATE_MS, TOLD_MS, WINDOW_MS, CallClock


def test_there_is_no_call_time_before_the_call() -> None:
    clock = CallClock()
    assert not clock.started
    assert clock.at(12_345.0) == 0.0


def test_the_first_audio_says_when_call_time_began() -> None:
    clock = CallClock()
    clock.begin(1000.0)
    assert clock.at(1100.0) == 100.0
    clock.arrived(20.0, 1050.0)
    assert clock.at(1050.0) == 20.0
    clock.begin(5000.0)
    assert clock.at(1050.0) == 20.0


def test_late_frames_are_counted_and_move_nothing() -> None:
    clock = CallClock()
    clock.arrived(20.0, 1020.0)
    late = LATE_MS[0]
    assert clock.arrived(40.0, 1040.0 + late) == late
    assert clock.late_over == [0] * len(LATE_MS)  # up to a limit is not over it
    worst = LATE_MS[-1] + 50.0
    assert clock.arrived(60.0, 1060.0 + worst) == worst
    assert clock.late_over == [1] * len(LATE_MS)
    assert clock.arrived(80.0, 1080.0 + late + 1) == late + 1
    assert clock.late_over == [2] + [1] * (len(LATE_MS) - 1)
    assert clock.worst_late_ms == worst
    assert clock.at(1200.0) == 200.0


def test_who_asks_is_told_which_frames_were_late_by_more_than_a_little() -> None:
    clock = CallClock()
    told: list[tuple[float, float]] = []
    clock.on_late = lambda end_ms, late_ms: told.append((end_ms, late_ms))
    for end_ms, late_ms in [(20.0, 0.0), (40.0, TOLD_MS), (60.0, TOLD_MS + 1.0), (80.0, 300.0)]:
        clock.arrived(end_ms, 1000.0 + end_ms + late_ms)
    assert told == [(60.0, TOLD_MS + 1.0), (80.0, 300.0)]
    assert clock.late_over == [1] * len(LATE_MS)


def test_jitter_is_smoothed_as_rtp_does() -> None:
    clock = CallClock()
    for index in range(1, 1001):
        clock.arrived(index * 20.0, index * 20.0 + (10.0 if index % 2 else 0.0))
    assert clock.jitter_ms == pytest.approx(10.0, abs=0.1)


def test_the_frame_with_the_least_delay_anchors() -> None:
    clock = CallClock()
    clock.arrived(20.0, 1080.0)  # 60 ms late, as it turns out
    clock.arrived(40.0, 1040.0)
    assert clock.at(1040.0) == 40.0


@pytest.mark.parametrize("ppm", [-200, 200])
def test_the_clock_follows_a_carrier_with_another_crystal(ppm: int) -> None:
    clock = CallClock()
    for index in range(1, 15_000):  # five minutes
        end = index * 20.0
        clock.arrived(end, end * (1 + ppm / 1e6))
    drift_in_two_windows_ms = 2 * WINDOW_MS * 200 / 1e6
    assert clock.at(end * (1 + ppm / 1e6)) == pytest.approx(end, abs=drift_in_two_windows_ms)
    assert clock.late_over[0] == 0


@given(st.lists(st.floats(0, 500), min_size=1, max_size=300))
def test_jitter_never_makes_call_time_wrong_by_more_than_the_least_delay(delays: list[float]) -> None:
    clock = CallClock()
    for index, delay in enumerate(delays):
        assert clock.arrived((index + 1) * 20.0, (index + 1) * 20.0 + delay) >= 0.0
    assert clock.at(10_000.0) == pytest.approx(10_000.0 - min(delays))

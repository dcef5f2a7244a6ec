"""Our own voice coming back, told from a caller's."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.audio import Samples
from pipelines.machines.echo import LONGEST_DELAY_MS, Echo, Floats, _solve_toeplitz

RATE_HZ = 8000
COUNT = RATE_HZ * 300 // 1000
LONGEST = RATE_HZ * LONGEST_DELAY_MS // 1000


def voice(pitch_hz: float, seed: int) -> Floats:
    """Two seconds of harmonics of a wandering pitch, in syllables; RMS about 2000."""
    random = np.random.default_rng(seed)
    at = np.arange(2 * RATE_HZ) / RATE_HZ
    pitch = pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * (2 + random.random()) * at + seed))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    tone = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(3, 3300 // int(pitch_hz)))
    syllables = 0.3 + np.abs(np.sin(2 * np.pi * 2.3 * at + random.uniform(0, 6)))
    sound: Floats = tone * syllables
    return sound * 2000 / np.sqrt(np.mean(sound**2))


AGENT, CALLER = voice(110, 1), voice(190, 2)


def heard(caller: Floats, echo_db: float | None, delay_ms: float, end: int, *, room: bool = False) -> Samples:
    sound = caller[end - COUNT : end].copy()
    if echo_db is not None:
        late = int(delay_ms * RATE_HZ / 1000)
        reflections = np.zeros(160)
        reflections[0] = 1.0
        if room:
            reflections[20:] = np.random.default_rng(5).normal(0, 0.1, 140) * np.exp(-np.arange(140) / 60)
        sound += np.convolve(AGENT, reflections)[end - COUNT - late : end - late] * 10 ** (echo_db / 20)
    sound += np.random.default_rng(end).normal(0, 10, COUNT)
    return sound.astype(np.int16)


def sent(end: int) -> Samples:
    return AGENT[end - COUNT - LONGEST : end].astype(np.int16)


SILENCE = np.zeros(2 * RATE_HZ)
ENDS = range(COUNT + LONGEST + 3200, 2 * RATE_HZ, 800)


@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize("delay_ms", [0, 60, 120, 398])
@pytest.mark.parametrize("echo_db", [-10, -20, -30])
def test_an_echo_is_known_and_its_loudness_learnt(echo_db: float, delay_ms: float, room: bool) -> None:
    echo = Echo()
    for end in ENDS:
        assert echo.explains(heard(SILENCE, echo_db, delay_ms, end, room=room), sent(end), RATE_HZ)
    assert echo.delay_ms == pytest.approx(delay_ms, abs=1)
    own = 2000 * 10 ** (echo_db / 20)
    assert own < echo.level(2000) < 3.5 * own


def test_a_caller_is_no_echo_and_teaches_nothing() -> None:
    echo = Echo()
    for end in ENDS:
        assert not echo.explains(heard(CALLER, None, 0, end), sent(end), RATE_HZ)
        assert not echo.explains(heard(CALLER, -20, 120, end), sent(end), RATE_HZ)
    assert echo.gain == 0.0


def test_a_copy_as_loud_as_ourselves_is_no_echo() -> None:
    echo = Echo()
    assert not echo.explains(heard(SILENCE, -2, 100, ENDS[0]), sent(ENDS[0]), RATE_HZ)


def test_nothing_sent_or_nothing_received_is_no_echo() -> None:
    nothing = np.zeros(COUNT + LONGEST, np.int16)
    echo = Echo()
    assert not echo.explains(heard(CALLER, None, 0, ENDS[0]), nothing, RATE_HZ)
    assert not echo.explains(nothing[:COUNT], sent(ENDS[0]), RATE_HZ)


def test_the_filter_is_the_one_that_a_general_solver_finds() -> None:
    sound = AGENT[:4000]
    column = np.correlate(sound, sound, "full")[len(sound) - 1 :][:60].copy()
    column[0] *= 1.01
    right = np.random.default_rng(3).normal(0, 1, len(column))
    lags = np.arange(len(column))
    matrix = column[np.abs(lags[:, None] - lags[None, :])]
    exact = np.linalg.solve(matrix, right)
    assert _solve_toeplitz(column, right, nearly=1e-24) == pytest.approx(exact, rel=1e-6)
    assert right @ _solve_toeplitz(column, right) == pytest.approx(right @ exact, rel=1e-3)

"""Silence, pauses and places to cut, in made-up audio."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.whisper import listening
from pipelines.whisper.listening import is_silent, pause_around, windows

RATE_HZ = 8000


def audio(*pieces: tuple[float, float], hum_dbfs: float = -60.0) -> listening.Samples:
    """(seconds, amplitude 0…1) after each other, over a hum."""
    random = np.random.default_rng(1)
    parts = [
        np.full(int(seconds * RATE_HZ), loud) * random.standard_normal(int(seconds * RATE_HZ))
        for seconds, loud in pieces
    ]
    sound = np.concatenate(parts)
    sound += 10 ** (hum_dbfs / 20) * random.standard_normal(len(sound))
    return (np.clip(sound, -1, 1) * 32767).astype(np.int16)


@pytest.mark.parametrize("hum_dbfs", [-100.0, -70.0, -60.0])
def test_a_silent_line_is_silent(hum_dbfs: float) -> None:
    assert is_silent(audio((2.0, 0.0), hum_dbfs=hum_dbfs), RATE_HZ)


def test_a_click_is_silence_and_a_short_word_is_not() -> None:
    assert is_silent(audio((0.5, 0.0), (0.03, 0.5), (0.5, 0.0)), RATE_HZ)
    assert not is_silent(audio((0.5, 0.0), (0.15, 0.01), (0.5, 0.0)), RATE_HZ)


def test_nothing_at_all_is_silent() -> None:
    assert is_silent(np.zeros(0, np.int16), RATE_HZ)


@pytest.mark.parametrize("hum_dbfs", [-60.0, -40.0])
def test_the_pause_that_a_flush_was_in(hum_dbfs: float) -> None:
    sound = audio((1.0, 0.2), (0.5, 0.0), (1.0, 0.2), hum_dbfs=hum_dbfs)
    begin, end = pause_around(sound, int(1.15 * RATE_HZ), RATE_HZ)
    assert begin / RATE_HZ == pytest.approx(1.0, abs=0.021)
    assert end / RATE_HZ == pytest.approx(1.5, abs=0.021)


def test_no_pause_where_speech_went_on_at_once() -> None:
    sound = audio((1.0, 0.2), (0.12, 0.0), (1.0, 0.2))
    begin, end = pause_around(sound, int(1.12 * RATE_HZ), RATE_HZ)
    assert (end - begin) / RATE_HZ < 0.15


def test_steady_speech_is_no_pause_however_even() -> None:
    sound = audio((2.0, 0.2))
    assert pause_around(sound, RATE_HZ, RATE_HZ) == (RATE_HZ, RATE_HZ)


def test_a_pause_reaches_to_the_end_when_nothing_follows() -> None:
    sound = audio((1.0, 0.2), (0.6, 0.0))
    begin, end = pause_around(sound, int(1.1 * RATE_HZ), RATE_HZ)
    assert (begin / RATE_HZ, end / RATE_HZ) == (pytest.approx(1.0, abs=0.021), pytest.approx(1.6, abs=0.021))
    assert pause_around(sound, 0, RATE_HZ) == (0, 0)


def test_short_audio_is_one_window() -> None:
    sound = audio((4.0, 0.2))
    assert windows(sound, RATE_HZ, 30) == [(0, len(sound))]
    assert windows(sound[:0], RATE_HZ, 30) == [(0, 0)]


def test_long_audio_is_cut_in_its_quiet_places_and_no_window_is_too_long() -> None:
    sound = audio((24.0, 0.2), (0.5, 0.0), (26.0, 0.2), (0.4, 0.0), (20.0, 0.2))
    found = windows(sound, RATE_HZ, 30)
    assert found[0][0] == 0
    assert found[-1][1] == len(sound)
    assert [end for _, end in found[:-1]] == [begin for begin, _ in found[1:]]
    assert [end / RATE_HZ for _, end in found[:-1]] == [pytest.approx(24.25, abs=0.26), pytest.approx(50.7, abs=0.21)]
    assert all(end - begin <= 30 * RATE_HZ for begin, end in found)


def test_hours_without_a_pause_are_cut_too() -> None:
    sound = np.tile(audio((10.0, 0.2)), 30)
    found = windows(sound, RATE_HZ, 30)
    assert len(found) >= 10
    assert all(0 < end - begin <= 30 * RATE_HZ for begin, end in found)

"""Noise stands where it is asked for, below speech, and does not overflow."""

import numpy as np
import pytest

from pipelines.audio import Codec, rms, to_pcm16
from voicecore.phone.noise import LOOP_FRAMES, Noise

SILENT = b"\xff" * 160


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_the_level_is_the_one_asked_for(snr_db: float) -> None:
    noise = Noise(4000, snr_db)
    pcm = to_pcm16(b"".join(noise.mix(SILENT) for _ in range(LOOP_FRAMES)), Codec.ULAW)
    assert 20 * np.log10(4000 / rms(pcm)) == pytest.approx(snr_db, abs=0.3)


def test_it_repeats_and_a_seed_gives_the_same_noise_again() -> None:
    first, second, other = Noise(4000, 10), Noise(4000, 10), Noise(4000, 10, seed=7)
    loop = [first.mix(SILENT) for _ in range(LOOP_FRAMES)]
    assert loop[0] == first.mix(SILENT) == second.mix(SILENT)
    assert loop[0] != other.mix(SILENT)


def test_low_frequencies_are_stronger_than_high_ones() -> None:
    noise = Noise(4000, 0)
    pcm = np.frombuffer(to_pcm16(b"".join(noise.mix(SILENT) for _ in range(LOOP_FRAMES)), Codec.ULAW), "<i2")
    power = np.abs(np.fft.rfft(pcm)) ** 2
    hertz = np.fft.rfftfreq(len(pcm), 1 / 8000)
    low = power[(hertz > 100) & (hertz < 200)].mean()
    high = power[(hertz > 1600) & (hertz < 3200)].mean()
    assert 9 < 10 * np.log10(low / high) < 15  # four octaves, 3 dB each


def test_loud_speech_is_clipped_and_does_not_wrap() -> None:
    loudest = b"\x80" * 160  # +32124
    mixed = np.frombuffer(to_pcm16(Noise(32000, 10).mix(loudest), Codec.ULAW), "<i2")
    assert mixed.max() == 32124
    assert mixed.mean() > 20000

"""Rising and falling pitch at the end of speech, in the telephone band."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.providers.prosody import PROVIDER, UNDECIDED, ProsodyOptions
from pipelines.registry import make
from pipelines.stages import TurnDetector


def vowel(semitones: float, rate_hz: int = 8000, *, hz: float = 120.0, noise: float = 30.0, seed: int = 1) -> bytes:
    """0.7 s of a voice whose pitch moves so far over its last 150 ms, without its fundamental, and 100 ms of pause."""
    at = np.arange(int(0.7 * rate_hz)) / rate_hz
    pitch = hz * 2 ** (np.clip((at - 0.55) / 0.15, 0, 1) * semitones / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    voice = sum(np.sin(n * phase) / n for n in range(3, 20)) * 6000
    audio = np.concatenate([voice, np.zeros(rate_hz // 10)])
    return (audio + np.random.default_rng(seed).normal(0, noise, len(audio))).astype(np.int16).tobytes()


async def heard(pcm: bytes, rate_hz: int = 8000) -> float:
    detector = await make("turn", "prosody", {}, source="test")
    assert isinstance(detector, TurnDetector)
    answer = await detector.probability(pcm, rate_hz)
    await detector.close()
    return answer


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("hz", [95.0, 120.0, 210.0])
async def test_a_rise_announces_more(hz: float, rate_hz: int) -> None:
    assert await heard(vowel(3.0, rate_hz, hz=hz), rate_hz) == ProsodyOptions().announces_more


@pytest.mark.parametrize("semitones", [0.0, -3.0])
@pytest.mark.parametrize("hz", [95.0, 210.0])
async def test_a_level_or_falling_pitch_says_nothing(hz: float, semitones: float) -> None:
    assert await heard(vowel(semitones, hz=hz)) == UNDECIDED


async def test_noise_silence_and_clicks_say_nothing() -> None:
    noise = np.random.default_rng(2).normal(0, 3000, 6400).astype(np.int16).tobytes()
    for pcm in (b"", bytes(10), bytes(16000), noise, vowel(3.0, noise=9000.0)):
        assert await heard(pcm) == UNDECIDED


async def test_a_misread_octave_is_no_rise() -> None:
    low, high = vowel(0.0, hz=100.0, noise=0.0), vowel(0.0, hz=200.0, noise=0.0)
    assert await heard(low[: 16 * 550] + high[16 * 550 :]) == UNDECIDED


async def test_what_a_rise_says_is_an_option() -> None:
    assert PROVIDER.turn is not None
    detector = await PROVIDER.turn(ProsodyOptions(announces_more=0.3, rise=4.0))
    assert await detector.probability(vowel(3.0), 8000) == UNDECIDED
    assert await detector.probability(vowel(5.0), 8000) == 0.3

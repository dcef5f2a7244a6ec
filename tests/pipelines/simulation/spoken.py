"""Speech-like sound without a speech engine: every word is a buzz of 200 ms, so that the real detector hears speech."""

from __future__ import annotations

from functools import cache

import numpy as np

from pipelines.simulation.script import FRAME_BYTES, RATE_HZ, Clip
from pipelines.stages import Word

WORD_MS = 200
GAP_MS = 40
LEAD_MS = 40
TAIL_MS = 60
LINE_NOISE_RMS = 16.0


@cache
def _buzz() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One word: a voiced sound of 140 Hz with its formants, swelling and fading."""
    seconds = np.arange(WORD_MS * RATE_HZ // 1000) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * 140 * n * seconds) / n for n in range(2, 20))
    sound = tone * np.sin(np.pi * np.arange(len(seconds)) / len(seconds)) ** 0.3
    return sound * (4000.0 / np.sqrt(np.mean(sound**2)))


def room(ms: int = 2000, seed: int = 7) -> bytes:
    count = ms * RATE_HZ // 1000
    return np.random.default_rng(seed).normal(0, LINE_NOISE_RMS, count).astype("<i2").tobytes()


def spoken(text: str, holds: dict[int, int] | None = None, seed: int = 3) -> Clip:
    """A clip that says the words; `holds`: milliseconds of silence before the word of that number."""
    words: list[Word] = []
    speech: list[tuple[float, float]] = []
    at = float(LEAD_MS)
    for number, word in enumerate(text.split()):
        hold = (holds or {}).get(number, 0)
        at += hold or (GAP_MS if words else 0)
        if hold or not speech:
            speech.append((at, at))
        words.append(Word(word, at, at + WORD_MS))
        at += WORD_MS
        speech[-1] = (speech[-1][0], at)
    return Clip(_sound(words, at + TAIL_MS, seed), tuple(speech), tuple(words))


def _sound(words: list[Word], length_ms: float, seed: int) -> bytes:
    frames = -(-round(length_ms * RATE_HZ / 1000) * 2 // FRAME_BYTES)
    sound = np.random.default_rng(seed).normal(0, LINE_NOISE_RMS, frames * FRAME_BYTES // 2)
    for word in words:
        start = round(word.start_ms * RATE_HZ / 1000)
        sound[start : start + len(_buzz())] += _buzz()
    return sound.astype("<i2").tobytes()

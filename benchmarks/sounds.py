"""What a telephone brings besides its caller: hiss, music, other people, keys, coughs. Made of numbers, repeatable.

Every sound comes at unit level (root mean square 1) in the telephone's band at 8 kHz, and knows nothing of detectors.
"""

from __future__ import annotations

import numpy as np

from benchmarks.callers import TELEPHONE_HZ, Signal


def unit(sound: Signal) -> Signal:
    return sound / np.sqrt(np.mean(sound**2))


def band(sound: Signal, low_hz: float = 300.0, high_hz: float = 3400.0) -> Signal:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / TELEPHONE_HZ)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    return np.fft.irfft(spectrum, len(sound))


def white(seconds: float, seed: int) -> Signal:
    return unit(band(np.random.default_rng(seed).standard_normal(int(seconds * TELEPHONE_HZ))))


def pink(seconds: float, seed: int) -> Signal:
    spectrum = np.fft.rfft(white(seconds, seed))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return unit(np.fft.irfft(spectrum, int(seconds * TELEPHONE_HZ)))


def music(seconds: float, seed: int) -> Signal:
    """Chords of plucked and held strings, a melody, bass drum and hi-hat at 112 beats a minute."""
    random = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * TELEPHONE_HZ))
    beat = int(60 / 112 * TELEPHONE_HZ)
    roots = [0, 5, 7, 9]
    for number, at in enumerate(range(0, len(sound) - beat, beat)):
        root = roots[number // 4 % 4]
        time = np.arange(min(beat * 2, len(sound) - at)) / TELEPHONE_HZ
        for note in (root, root + 4, root + 7):
            sound[at : at + len(time)] += _string(130.8 * 2 ** (note / 12), time, decay=1.5) * 0.5
        melody = root + int(random.choice([0, 4, 7, 12, 14]))
        sound[at : at + len(time)] += _string(523.3 * 2 ** (melody / 12), time, decay=4.0)
        hit = random.standard_normal(beat // 4) * np.exp(-np.arange(beat // 4) / 120)
        sound[at + beat // 2 : at + beat // 2 + len(hit)] += hit[: len(sound) - at - beat // 2] * 0.8
        drum = np.sin(2 * np.pi * 90 * time[: beat // 2]) * np.exp(-time[: beat // 2] * 18)
        sound[at : at + len(drum)] += drum * 2
    return unit(band(sound))


def _string(pitch_hz: float, time: Signal, decay: float) -> Signal:
    harmonics = [np.sin(2 * np.pi * pitch_hz * n * time) / n for n in range(1, 7) if pitch_hz * n < TELEPHONE_HZ / 2]
    return np.sum(harmonics, axis=0) * np.exp(-time * decay)


def babble(speakers: list[Signal], seconds: float, seed: int) -> Signal:
    """Everybody of `speakers` (speech without pauses) talks all the time, at the same level."""
    random = np.random.default_rng(seed)
    length = int(seconds * TELEPHONE_HZ)
    return unit(np.sum([np.roll(np.resize(unit(s), length), random.integers(length)) for s in speakers], axis=0))


def taps(seconds: float, seed: int) -> Signal:
    """Typing: six keys a second in bursts, each a press and a weaker release."""
    random = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * TELEPHONE_HZ))
    at = 0
    while (at := at + int(random.exponential(0.16) * TELEPHONE_HZ) + 400) < len(sound) - 1200:
        for start, level in ((at, 1.0), (at + int(random.integers(500, 900)), 0.4)):
            length = int(random.integers(60, 200))
            key = random.standard_normal(length) * np.exp(-np.arange(length) / 25)
            sound[start : start + length] += key * level * random.uniform(0.5, 1.5)
        if random.random() < 0.1:
            at += int(random.uniform(0.5, 2.0) * TELEPHONE_HZ)
    return unit(band(sound))


def coughs(seconds: float, seed: int) -> Signal:
    """One to three bursts of turbulent air every four seconds: an explosive beginning, a throat's resonances."""
    random = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * TELEPHONE_HZ))
    for start in range(TELEPHONE_HZ, len(sound) - 3 * TELEPHONE_HZ, 4 * TELEPHONE_HZ):
        at = start
        for _ in range(int(random.integers(1, 4))):
            length = int(random.uniform(0.12, 0.3) * TELEPHONE_HZ)
            air = random.standard_normal(length)
            throat = 2 * band(air, 400, 900) + band(air, 1200, 1900) + 0.5 * band(air, 2300, 3000)
            shape = np.minimum(np.arange(length) / 80, 1) * np.exp(-np.arange(length) / (length / 4))
            sound[at : at + length] += throat * shape
            at += length + int(random.uniform(0.05, 0.25) * TELEPHONE_HZ)
    return unit(band(sound))

"""Clean speech of synthetic callers in the telephone band, kept between runs, and sounds that are no speech.

Signals are float samples at 8 kHz; speech begins with its first audible sample and ends with its last.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

import numpy as np
import soxr

from benchmarks import callers
from benchmarks.callers import SPEECH_RMS, Signal
from benchmarks.turns.dialogue import RATE_HZ

Noise = Literal["white", "pink", "car", "street", "music", "babble"]

WINDOW = RATE_HZ * 5 // 1000
AUDIBLE_DB = -35.0  # against the loudest 5 ms of the same utterance: softer than that is no speech any more
SILENT_HOLD_S = 0.2  # a silence inside an utterance that is at least so long is a hold of its own
_VERSION = 1  # of what is kept


def kept_in() -> Path:
    root = os.environ.get("XDG_CACHE_HOME", "") or str(Path.home() / ".cache")
    return Path(root) / "voicecore-benchmark-turns"


def utterance(text: str, voice: str) -> Signal:
    """What a voice makes of a text, band-limited and at telephone level. Raises ValueError for an unknown voice."""
    key = hashlib.sha256(f"{_VERSION}/{voice}/{text}".encode()).hexdigest()[:24]
    file = kept_in() / f"{key}.npy"
    if file.exists():
        kept: Signal = np.load(file).astype(np.float64)
        return kept
    speech, rate_hz = callers.say(text, voice)
    narrow = trimmed(at_level(telephone_band(soxr.resample(speech, rate_hz, RATE_HZ, quality="HQ"))))
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{key}.{os.getpid()}.npy")
    np.save(unfinished, narrow.astype(np.float32))
    unfinished.replace(file)
    as_kept: Signal = narrow.astype(np.float32).astype(np.float64)
    return as_kept


def telephone_band(signal: Signal) -> Signal:
    """300 to 3400 Hz (ITU-T G.712 in its coarsest form)."""
    hz = np.fft.rfftfreq(len(signal), 1 / RATE_HZ)
    band = np.clip((hz - 200) / 100, 0, 1) * np.clip((3500 - hz) / 150, 0, 1)
    filtered: Signal = np.fft.irfft(np.fft.rfft(signal) * band, len(signal))
    return filtered


def levels_db(signal: Signal) -> Signal:
    """Per 5 ms, against the loudest of them."""
    whole = signal[: len(signal) // WINDOW * WINDOW].reshape(-1, WINDOW)
    rms = np.sqrt(np.mean(whole**2, axis=1)) + 1e-9
    found: Signal = 20 * np.log10(rms / rms.max())
    return found


def at_level(signal: Signal, rms: float = SPEECH_RMS) -> Signal:
    """Its loud parts at this level."""
    loud = signal[np.abs(signal) > 0.02 * np.abs(signal).max()]
    levelled: Signal = signal * (rms / np.sqrt(np.mean(loud**2)))
    return levelled


def trimmed(signal: Signal) -> Signal:
    audible = np.flatnonzero(levels_db(signal) > AUDIBLE_DB)
    return signal[audible[0] * WINDOW : (audible[-1] + 1) * WINDOW]


def stretches(signal: Signal) -> list[tuple[float, float]]:
    """Seconds of speech in a trimmed utterance: parted where it is silent for `SILENT_HOLD_S` or longer."""
    audible = np.flatnonzero(levels_db(signal) > AUDIBLE_DB)
    breaks = np.flatnonzero(np.diff(audible) * WINDOW / RATE_HZ > SILENT_HOLD_S)
    starts = [audible[0], *audible[breaks + 1]]
    ends = [*audible[breaks], audible[-1]]
    return [(start * WINDOW / RATE_HZ, (end + 1) * WINDOW / RATE_HZ) for start, end in zip(starts, ends, strict=True)]


# --- sounds ---------------------------------------------------------------------------------------


def sound(name: str, seed: int) -> Signal:
    """A `*cough*` or `*sniff*`: bursts of filtered noise with the envelope of such sounds."""
    random = np.random.default_rng(seed)
    bursts = {"*cough*": ((0.16, 1.0), (0.10, 0.0), (0.20, 0.7)), "*sniff*": ((0.28, 0.35),)}[name]
    parts = []
    for seconds, loud in bursts:
        count = int(seconds * RATE_HZ)
        rise = np.minimum(np.arange(count) / (0.015 * RATE_HZ), 1.0)
        fall = np.exp(-np.arange(count) / (0.35 * count))
        parts.append(random.normal(0, 1, count) * rise * fall * loud)
    return trimmed(at_level(telephone_band(np.concatenate(parts))))


def noise(kind: Noise, count: int, seed: int, babble: list[tuple[str, str]]) -> Signal:
    """`count` samples of room at SPEECH_RMS. `babble`: (text, voice) of the people talking in it."""
    random = np.random.default_rng(seed)
    if kind == "babble":
        made = _babble(count, random, babble)
    elif kind == "music":
        made = _music(count, random)
    else:
        made = _coloured(kind, count, random)
    band = telephone_band(made)
    levelled: Signal = band * (SPEECH_RMS / np.sqrt(np.mean(band**2)))
    return levelled


def _coloured(kind: str, count: int, random: np.random.Generator) -> Signal:
    slope = {"white": 0.0, "pink": 0.5, "street": 0.5, "car": 1.0}[kind]
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 50.0)
    made: Signal = np.fft.irfft(spectrum / hz**slope, count)
    if kind == "street":  # cars that come and go
        seconds = np.arange(count) / RATE_HZ
        made = made * (1 + 0.6 * np.sin(2 * np.pi * seconds / 3.1) + 0.3 * np.sin(2 * np.pi * seconds / 7.3))
    return made


def _babble(count: int, random: np.random.Generator, talk: list[tuple[str, str]]) -> Signal:
    made = np.zeros(count)
    for text, voice in talk:
        speech = utterance(text, voice)
        made += np.roll(np.resize(speech, count), int(random.integers(len(speech))))
    return made


def _music(count: int, random: np.random.Generator) -> Signal:
    """Broken chords, a note each 250 ms."""
    made = np.zeros(count)
    step = RATE_HZ // 4
    for at in range(0, count, step):
        hz = 220.0 * 2 ** (random.choice([0, 3, 5, 7, 10, 12, 15]) / 12)
        length = min(3 * step, count - at)
        seconds = np.arange(length) / RATE_HZ
        note = sum(np.sin(2 * np.pi * hz * n * seconds) / n for n in (1, 2, 3, 4))
        made[at : at + length] += note * np.exp(-seconds * 4)
    return made

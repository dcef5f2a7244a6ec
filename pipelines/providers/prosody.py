"""Hears one thing about the end of a turn: whether the pitch rose on the last syllable, as it does before "…and then".

A rise in mid-speech announces more (Gravano & Hirschberg 2011); no rise says nothing, so the answer is then 0.5.
Numpy on the last 600 ms, half a millisecond; it knows no words: that questions rise too, others must consider.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import soxr
from msgspec import Meta

from pipelines.registry import ProviderSpec

Floats = npt.NDArray[np.float64]

UNDECIDED = 0.5
_RATE_HZ = 8000
_WINDOW, _HOP = 320, 80  # 40 ms, of which the lowest voices fill two periods with; 10 ms
_LENGTH = _WINDOW + _HOP * 59
_HIGHEST_HZ, _LOWEST_HZ = 350, 75
_PERIODIC = 0.5  # of the normalised autocorrelation, from where a window counts as voiced
_AUDIBLE = 0.06  # of the loudest window
_FEWEST = 14  # voiced windows, below which nothing is said
_OCTAVE_ERROR = 7.0  # semitones from the median: a misread octave; with too many of them nothing is said
_MISREAD = 0.2
_HANN = np.hanning(_WINDOW)
_HANN_CORRELATION = np.fft.irfft(np.abs(np.fft.rfft(_HANN, 1024)) ** 2)[:_WINDOW]


class ProsodyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rise: Annotated[float, Meta(gt=0, le=6)] = 0.7  # semitones, of the last 40 ms over what was before
    announces_more: Annotated[float, Meta(ge=0, le=0.5)] = 0.05  # the probability of an end after such a rise


class Prosody:
    """A `TurnDetector` (see `pipelines.stages`); nothing is kept between two questions."""

    def __init__(self, options: ProsodyOptions) -> None:
        self._options = options

    async def probability(self, pcm: bytes, rate_hz: int) -> float:
        keep = _LENGTH * rate_hz // _RATE_HZ
        samples = np.frombuffer(pcm, np.int16)[-keep:].astype(np.float64)
        if rate_hz != _RATE_HZ:
            samples = soxr.resample(samples, rate_hz, _RATE_HZ)
        return self._options.announces_more if rises(samples, self._options.rise) else UNDECIDED

    async def close(self) -> None: ...


def rises(samples: Floats, semitones: float) -> bool:
    """Does the pitch rise towards the end of the last voiced stretch of these samples at 8 kHz?"""
    if len(samples) < _WINDOW or not samples.any():
        return False
    pitch = _voiced(samples)
    usual = np.abs(pitch - np.median(pitch)) < _OCTAVE_ERROR if len(pitch) else np.zeros(0, bool)
    pitch = pitch[usual]
    if len(pitch) < _FEWEST or usual.mean() < 1 - _MISREAD:
        return False
    padded = np.pad(pitch, 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    climb = np.median(smooth[-4:]) - np.median(smooth[-22:-8])
    slope = np.polyfit(np.arange(10), smooth[-10:], 1)[0] * 10
    return bool(semitones <= climb <= 6 and slope >= semitones / 2)


def _voiced(samples: Floats) -> Floats:
    """Pitch in semitones of each voiced window, oldest first."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    windows = (windows - windows.mean(axis=1, keepdims=True)) * _HANN
    levels = np.sqrt(np.mean(windows**2, axis=1))
    correlation = np.fft.irfft(np.abs(np.fft.rfft(windows, 1024)) ** 2)[:, :_WINDOW]
    correlation /= (correlation[:, :1] + 1e-9) * (_HANN_CORRELATION / _HANN_CORRELATION[0])
    shortest, longest = _RATE_HZ // _HIGHEST_HZ, _RATE_HZ // _LOWEST_HZ
    periods = correlation[:, shortest:longest].argmax(axis=1) + shortest
    strength = correlation[np.arange(len(periods)), periods]
    voiced = (strength > _PERIODIC) & (levels > levels.max() * _AUDIBLE)
    found: Floats = 12 * np.log2(_RATE_HZ / periods[voiced] / 100)
    return found


async def _turn(options: ProsodyOptions) -> Prosody:
    return Prosody(options)


PROVIDER = ProviderSpec(name="prosody", options=ProsodyOptions, turn=_turn)

"""Makes what a telephone left of speech look like what the acoustic model was trained on. Knows no words.

The model heard 16 kHz recordings; a telephone ends at 3.4 kHz, so that "s", "f" and "th" all but vanish and the
model's upper bands stare at nothing. Spectral folding (Makhoul, Berouti 1979) mirrors the band around 4 kHz:
where the telephone still has a trace of a fricative, the upper bands get one too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.audio import Resampler

MODEL_HZ = 16000
_TELEPHONE_HZ = 8000
_TAPS = 65
_FOLD_HZ = (4000.0, 7900.0)
_COMFORT_RMS = 80.0  # noise added to everything, 30 dB below speech: the model never heard digital silence
_LOUD = 0.9  # quantile of frame levels that counts as loud speech
_FRAME = 160  # samples at 16 kHz: 10 ms

Signal = npt.NDArray[np.float64]


def _band_pass(low_hz: float, high_hz: float) -> Signal:
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    ideal = sum(
        sign * 2 * edge / MODEL_HZ * np.sinc(2 * edge / MODEL_HZ * at) for sign, edge in ((1, high_hz), (-1, low_hz))
    )
    shaped: Signal = ideal * np.hamming(_TAPS)
    return shaped


_FILTER = _band_pass(*_FOLD_HZ)


class WideBand:
    """One stream from `rate_hz` to 16 kHz: its telephone band, and the mirror image of that above it.

    Richer audio is first reduced to what a telephone leaves, because the acoustic model was adapted to that.
    """

    def __init__(self, rate_hz: int) -> None:
        self._narrow = Resampler(rate_hz, _TELEPHONE_HZ) if rate_hz != _TELEPHONE_HZ else None
        self._double = Resampler(_TELEPHONE_HZ, MODEL_HZ)
        self._history = np.zeros(_TAPS - 1)
        self._sign = 1.0
        self._noise = np.random.default_rng(0)  # the same for everyone: a recording is always heard the same way

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        if self._narrow is not None:
            pcm = self._narrow.feed(pcm, last=last)
        samples = np.frombuffer(self._double.feed(pcm, last=last), np.int16).astype(np.float64)
        if not len(samples):
            return b""
        return _to_pcm(self._folded(samples + self._noise.normal(0.0, _COMFORT_RMS, len(samples))))

    def _folded(self, samples: Signal) -> Signal:
        # The filter delays the mirror image by 2 ms against the original: far less than a frame of 25 ms.
        mirrored = samples * self._sign
        mirrored[1::2] *= -1.0
        if len(samples) % 2:
            self._sign = -self._sign
        joined = np.concatenate((self._history, mirrored))
        self._history = joined[len(joined) - (_TAPS - 1) :]
        return samples + np.convolve(joined, _FILTER, mode="valid")


def _to_pcm(samples: Signal) -> bytes:
    return np.clip(samples, -32768, 32767).astype(np.int16).tobytes()


def loudness(pcm: bytes) -> float:
    """Root mean square of the louder frames, in sample units; 0 for less than one frame."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if not len(frames):
        return 0.0
    return float(np.quantile(np.sqrt((frames**2).mean(axis=1)), _LOUD))

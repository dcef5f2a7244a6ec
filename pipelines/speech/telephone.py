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
_TELEPHONE_BAND_HZ = (250.0, 3450.0)
_BAND_TAPS = 129  # 8 ms of delay, edges 200 Hz wide
_FULL_BAND_SHARE = 0.15  # of the energy is outside: a telephone leaves up to 0.06, a full-band voice 0.4 and more
_TAPS = 65
_FOLD_HZ = (4000.0, 7900.0)
_COMFORT_RMS = 80.0  # noise added to everything, 30 dB below speech: the model never heard digital silence
_LOUD = 0.9  # quantile of frame levels that counts as loud speech
_FRAME = 160  # samples at 16 kHz: 10 ms

Signal = npt.NDArray[np.float64]


def _band_pass(low_hz: float, high_hz: float, rate_hz: int, taps: int) -> Signal:
    at = np.arange(taps) - (taps - 1) / 2
    ideal = sum(
        sign * 2 * edge / rate_hz * np.sinc(2 * edge / rate_hz * at) for sign, edge in ((1, high_hz), (-1, low_hz))
    )
    shaped: Signal = ideal * np.hamming(taps)
    return shaped


class _Filter:
    """A linear-phase filter over one stream."""

    def __init__(self, response: Signal) -> None:
        self._response = response
        self._history = np.zeros(len(response) - 1)

    def feed(self, samples: Signal) -> Signal:
        if not len(samples):
            return samples
        joined = np.concatenate((self._history, samples))
        self._history = joined[len(samples) :]
        filtered: Signal = np.convolve(joined, self._response, mode="valid")
        return filtered


class _BandLimit:
    """Cuts a line that carries more than the telephone band down to it; leaves a telephone's own band as it is.

    The part outside the band decides, over all that was heard of the line. A line that is cut down is 8 ms later
    than one that is not; the one jump between is far below what a word's recognition notices.
    """

    def __init__(self) -> None:
        self._inside = _Filter(_TELEPHONE_BAND)
        self._late = np.zeros(_BAND_TAPS // 2)  # delays the original as the filter does, to compare them
        self._energy = 0.0
        self._energy_outside = 0.0

    def feed(self, samples: Signal) -> Signal:
        inside = self._inside.feed(samples)
        joined = np.concatenate((self._late, samples))
        whole, self._late = joined[: len(samples)], joined[len(samples) :]
        self._energy += float(whole @ whole)
        self._energy_outside += float((whole - inside) @ (whole - inside))
        return inside if self._energy_outside > _FULL_BAND_SHARE * self._energy else samples


_TELEPHONE_BAND = _band_pass(*_TELEPHONE_BAND_HZ, _TELEPHONE_HZ, _BAND_TAPS)
_FOLD = _band_pass(*_FOLD_HZ, MODEL_HZ, _TAPS)


class WideBand:
    """One stream from `rate_hz` to 16 kHz: its telephone band, and the mirror image of that above it.

    Richer audio is first reduced to what a telephone leaves, because the acoustic model was adapted to that: a
    digital line carries 8 kHz audio without the 300 to 3400 Hz of the old network, and would sound like a stranger.
    """

    def __init__(self, rate_hz: int) -> None:
        self._narrow = Resampler(rate_hz, _TELEPHONE_HZ) if rate_hz != _TELEPHONE_HZ else None
        self._band = _BandLimit()
        self._double = Resampler(_TELEPHONE_HZ, MODEL_HZ)
        self._fold = _Filter(_FOLD)
        self._sign = 1.0
        self._noise = np.random.default_rng(0)  # the same for everyone: a recording is always heard the same way

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        if self._narrow is not None:
            pcm = self._narrow.feed(pcm, last=last)
        pcm = _to_pcm(self._band.feed(np.frombuffer(pcm, np.int16).astype(np.float64)))
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
        return samples + self._fold.feed(mirrored)


def _to_pcm(samples: Signal) -> bytes:
    return np.clip(samples, -32768, 32767).astype(np.int16).tobytes()


def loudness(pcm: bytes) -> float:
    """Root mean square of the louder frames, in sample units; 0 for less than one frame."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if not len(frames):
        return 0.0
    return float(np.quantile(np.sqrt((frames**2).mean(axis=1)), _LOUD))

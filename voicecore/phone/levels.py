"""What can be heard in a piece of telephone audio, by energy alone.

Threshold: 5 ms windows with an RMS of at least -45 dBFS (184 of 32768), or -55 dBFS where an agent is
measured. Speech in the 8 kHz clips used here stands at -20 to -12 dBFS; mu-law's own idle noise is below -70.
Knows samples, not words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.audio import Codec, Samples, rms, to_pcm16

RATE_HZ = 8000
WINDOW = 40  # samples: 5 ms
AUDIBLE_RMS = 184.0  # -45 dBFS: a caller, whose line may hum
FAINT_RMS = 60.0  # -55 dBFS: an agent, whose silence is digital
FLOOR_WINDOWS = 8  # 40 ms
MERGE_MS = 200  # pauses shorter than that lie inside one span: stops of consonants, commas

Span = tuple[int, int]  # first and last audible sample


def is_audible(ulaw: bytes) -> bool:
    """Is there something to hear in this 20 ms frame of mu-law? The same threshold over the whole frame."""
    return rms(to_pcm16(ulaw, Codec.ULAW)) >= AUDIBLE_RMS


def _window_rms(samples: Samples) -> npt.NDArray[np.float32]:
    usable = len(samples) // WINDOW * WINDOW
    windows = samples[:usable].astype(np.float32).reshape(-1, WINDOW)
    level: npt.NDArray[np.float32] = np.sqrt((windows * windows).mean(axis=1))
    return level


def speech_threshold(pcm: bytes) -> float:
    """RMS above which a clip counts as speech: its own noise floor (the quietest 40 ms) + 8 dB.

    Never below -45 dBFS, and at least 18 dB under its loudest window, so that a clip without
    pauses is not mistaken for noise.
    """
    level = _window_rms(np.frombuffer(pcm, dtype=np.int16))
    if len(level) < FLOOR_WINDOWS:
        return AUDIBLE_RMS
    power = np.convolve(level * level, np.ones(FLOOR_WINDOWS) / FLOOR_WINDOWS, mode="valid")
    floor = float(np.sqrt(power.min())) * 10 ** (8 / 20)
    return max(AUDIBLE_RMS, min(floor, float(level.max()) * 10 ** (-18 / 20)))


def speech_rms(pcm: bytes) -> float:
    """Level of the audible windows: what a signal-to-noise ratio is counted against. 0: nothing audible."""
    level = _window_rms(np.frombuffer(pcm, dtype=np.int16))
    loud = level[level >= speech_threshold(pcm)]
    return float(np.sqrt((loud * loud).mean())) if len(loud) else 0.0


def audible_spans(pcm: bytes | Samples, *, merge_ms: int = MERGE_MS, threshold: float = AUDIBLE_RMS) -> list[Span]:
    """Stretches with sound, in sample numbers: windows find the place, the samples in them the edge."""
    samples = np.frombuffer(pcm, dtype=np.int16) if isinstance(pcm, bytes) else pcm
    loud = np.flatnonzero(_window_rms(samples) >= threshold)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > merge_ms * RATE_HZ // 1000 // WINDOW)
    firsts = loud[np.concatenate(([0], breaks + 1))]
    lasts = loud[np.concatenate((breaks, [len(loud) - 1]))]
    return [
        (_loud_in(samples, int(first), threshold)[0], _loud_in(samples, int(last), threshold)[-1])
        for first, last in zip(firsts, lasts, strict=True)
    ]


def audible_bounds(pcm: bytes) -> Span | None:
    """First and last sample of speech in a clip; None when there is nothing to hear."""
    spans = audible_spans(pcm, threshold=speech_threshold(pcm))
    return (spans[0][0], spans[-1][1]) if spans else None


def _loud_in(samples: Samples, window: int, threshold: float) -> list[int]:
    """Numbers of the samples of one window that reach the threshold: never none, its RMS did."""
    start = window * WINDOW
    magnitude = np.abs(samples[start : start + WINDOW].astype(np.int32))
    return [start + int(at) for at in np.flatnonzero(magnitude >= np.floor(threshold))]

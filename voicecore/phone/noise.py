"""Background noise for a caller's line: pink (-3 dB per octave, as rooms and streets roughly sound).

A few seconds are made once and repeated; mixing a frame costs about ten microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.audio import Codec, from_pcm16, to_pcm16
from voicecore.phone.clips import Clip
from voicecore.phone.levels import speech_rms

RATE_HZ = 8000
LOOP_FRAMES = 250  # 5 s
FRAME_SAMPLES = 160
SEED = 20


class Noise:
    """Adds noise to mu-law frames so that `speech_rms` (of 32768) stands `snr_db` above it."""

    def __init__(self, speech_rms: float, snr_db: float, *, seed: int = SEED) -> None:
        size = LOOP_FRAMES * FRAME_SAMPLES
        frequencies = np.fft.rfftfreq(size, 1 / RATE_HZ)
        spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
        shape = np.where(frequencies >= 50, 1 / np.sqrt(np.maximum(frequencies, 1)), 0.0)
        wave = np.fft.irfft(spectrum * shape, size)
        wave *= speech_rms * 10 ** (-snr_db / 20) / np.sqrt((wave * wave).mean())
        self._frames = np.rint(wave).astype(np.int32).reshape(LOOP_FRAMES, FRAME_SAMPLES)
        self._next = 0

    def mix(self, ulaw: bytes) -> bytes:
        """20 ms of mu-law with the next 20 ms of noise in it."""
        mixed = np.frombuffer(to_pcm16(ulaw, Codec.ULAW), dtype="<i2") + self._frames[self._next]
        self._next = (self._next + 1) % LOOP_FRAMES
        return from_pcm16(np.clip(mixed, -32768, 32767).astype("<i2").tobytes(), Codec.ULAW)


def noise_under(clips: Sequence[Clip], snr_db: float) -> Noise:
    """Noise that stands `snr_db` below the speech of all clips together, their pauses not counted."""
    pcm = to_pcm16(b"".join(frame for clip in clips for frame in clip.frames), Codec.ULAW)
    return Noise(speech_rms(pcm), snr_db)

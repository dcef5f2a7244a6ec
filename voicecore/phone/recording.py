"""Both sides of a call as the carrier's clock saw them, and the stereo WAV file of it.

Left is what the caller sent, right what the caller heard; one frame each per 20 ms, so a sample number
means the same moment on both sides.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from pipelines.audio import Codec, Samples, to_pcm16
from pipelines.errors import AudioFormatError, NotFound

RATE_HZ = 8000


class Recording:
    """Grows by 16 kB a second."""

    def __init__(self) -> None:
        self._caller = bytearray()
        self._heard = bytearray()

    def add(self, caller: bytes, heard: bytes) -> None:
        """20 ms of mu-law of each side."""
        self._caller += caller
        self._heard += heard

    @property
    def duration_ms(self) -> float:
        return len(self._caller) * 1000 / RATE_HZ

    def caller_pcm(self) -> bytes:
        return to_pcm16(bytes(self._caller), Codec.ULAW)

    def heard_pcm(self) -> bytes:
        return to_pcm16(bytes(self._heard), Codec.ULAW)

    def write_wav(self, path: Path) -> None:
        """16 bits, 8 kHz, stereo. Raises NotFound when the file cannot be written."""
        left = np.frombuffer(self.caller_pcm(), dtype="<i2")
        right = np.frombuffer(self.heard_pcm(), dtype="<i2")
        try:
            with path.open("wb") as file, wave.open(file, "wb") as target:
                target.setnchannels(2)
                target.setsampwidth(2)
                target.setframerate(RATE_HZ)
                target.writeframes(np.column_stack((left, right)).tobytes())
        except OSError as error:
            raise NotFound(f"cannot write {path}: {error.strerror}") from error


def read_stereo(path: Path) -> tuple[Samples, Samples]:
    """Left and right samples of an 8 kHz 16-bit stereo file. Raises NotFound, AudioFormatError."""
    try:
        with wave.open(str(path), "rb") as source:
            shape = (source.getnchannels(), source.getsampwidth(), source.getframerate())
            data = source.readframes(source.getnframes())
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise AudioFormatError(f"{path} is not a WAV file: {error}") from error
    if shape != (2, 2, RATE_HZ):
        raise AudioFormatError(f"{path}: channels, bytes per sample, rate are {shape}, not (2, 2, {RATE_HZ})")
    samples = np.frombuffer(data, dtype="<i2").reshape(-1, 2)
    return samples[:, 0], samples[:, 1]

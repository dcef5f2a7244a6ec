"""A growing stereo WAV file, caller left and agent right, and the waveform's peaks.

Its header is right after every write: a crash leaves a playable recording. It knows no call and no thread.
"""

from __future__ import annotations

import os
import struct
from io import FileIO
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from voicecore.domain.calls import Peaks

PEAKS_PER_SECOND = 10
LONGEST_JUMP_MS = 60_000.0  # a write further ahead than this is a broken clock, not silence
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF/WAVE, PCM: Multimedia Programming Interface 1.0, 1991

CALLER, AGENT = 0, 1
Piece = tuple[int, float, bytes]  # channel, call time, samples; empty samples erase from there on


class Finished(msgspec.Struct, frozen=True):
    path: Path
    rate_hz: int
    duration_ms: float
    size_bytes: int
    peaks: Peaks
    lost_pieces: int


class StereoFile:
    """A growing 16-bit stereo WAV file. Used by one thread."""

    def __init__(self, path: Path, rate_hz: int) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._file: FileIO | None = None
        self._window = np.zeros((0, 2), dtype=np.int16)  # samples not written yet
        self._written = 0  # samples in the file: where the window begins
        self._peaks = bytearray()  # caller and agent in turn, 16 bits each: calls may last for hours
        self._bucket = np.zeros((0, 2), dtype=np.int16)

    def write(self, pieces: list[Piece], until_ms: float | None) -> None:
        """Mix the pieces in; write what lies before `until_ms` (None: everything)."""
        self._make_room(pieces)
        for channel, at_ms, pcm in pieces:
            self._mix(channel, at_ms, pcm)
        end = len(self._window) if until_ms is None else self._index(until_ms)
        end = max(0, min(end, len(self._window)))
        if end:
            self._flush(end)

    def _index(self, at_ms: float) -> int:
        return round(at_ms * self._rate_hz / 1000) - self._written

    def _make_room(self, pieces: list[Piece]) -> None:
        """Lengthen the window once for all pieces; one that lies absurdly far ahead gets no room and is left out."""
        size = len(self._window)
        furthest = size + LONGEST_JUMP_MS * self._rate_hz / 1000
        ends = [self._index(at_ms) + len(pcm) // 2 for _, at_ms, pcm in pieces if pcm]
        end = max((end for end in ends if end <= furthest), default=0)
        if end > size:
            grown = np.zeros((end, 2), dtype=np.int16)
            grown[:size] = self._window
            self._window = grown

    def _mix(self, channel: int, at_ms: float, pcm: bytes) -> None:
        start = self._index(at_ms)
        if not pcm:
            self._window[max(start, 0) :, channel] = 0
            return
        samples = np.frombuffer(pcm, dtype=np.int16)
        if start < 0:
            samples, start = samples[-start:], 0
        end = start + len(samples)
        if end <= len(self._window):
            self._window[start:end, channel] = samples

    def _flush(self, count: int) -> None:
        block, self._window = self._window[:count], self._window[count:]
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb", buffering=0)
            write_all(self._file, header(self._rate_hz, 0))
        write_all(self._file, block.tobytes())
        self._written += count
        os.pwrite(self._file.fileno(), header(self._rate_hz, self._written), 0)
        self._note_peaks(block)

    def _note_peaks(self, block: npt.NDArray[np.int16]) -> None:
        size = self._rate_hz // PEAKS_PER_SECOND
        block = np.concatenate([self._bucket, block])
        whole = len(block) // size
        if whole:
            # Read as unsigned, the one value whose negative does not fit is right too.
            levels = np.abs(block[: whole * size]).view(np.uint16)
            loudest = np.maximum.reduceat(levels, np.arange(0, whole * size, size), axis=0)
            self._peaks += loudest.tobytes()
        self._bucket = block[whole * size :].copy()  # not the whole block

    def close(self, lost: int) -> Finished | None:
        """None when nothing was recorded."""
        if self._file is None:
            return None
        self._file.close()
        peaks = np.round(np.frombuffer(bytes(self._peaks), np.uint16).reshape(-1, 2) / 32768.0, 3)
        self._window = self._bucket = np.zeros((0, 2), dtype=np.int16)  # the call may be remembered for a while
        self._peaks = bytearray()
        return Finished(
            path=self._path,
            rate_hz=self._rate_hz,
            duration_ms=self._written * 1000 / self._rate_hz,
            size_bytes=self._path.stat().st_size,
            peaks=Peaks(
                per_second=PEAKS_PER_SECOND,
                caller=tuple(peaks[:, CALLER].tolist()),
                agent=tuple(peaks[:, AGENT].tolist()),
            ),
            lost_pieces=lost,
        )


def write_all(file: FileIO, data: bytes) -> None:
    """An unbuffered file may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def header(rate_hz: int, samples: int) -> bytes:
    """A canonical WAV header for 16-bit stereo."""
    size = samples * 4
    return HEADER.pack(
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, rate_hz, rate_hz * 4, 4, 16, b"data", size
    )  # fmt: skip

"""Stereo recordings, caller left and agent right, placed in call time, streamed to disk by one thread.

The call path only appends to a list; the thread mixes and writes. What the agent said but the caller never
heard is erased before it reaches the file, so a recording holds what was on the line. A file's header is
right after every write: a crash leaves a playable recording.
"""

from __future__ import annotations

import logging
import queue
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from voicecore.domain.calls import Peaks

log = logging.getLogger(__name__)

HELD_BACK_MS = 2000.0  # may still be erased: more than the playout ever runs ahead
HAND_OVER_MS = 1000.0
PEAKS_PER_SECOND = 10
QUEUE_LIMIT = 20_000  # hand-overs waiting for the disk; then audio is lost, and that is counted
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


class RecordingThread:
    """The one thread that writes all recordings of a process."""

    def __init__(self) -> None:
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> bool:
        """False: the disk is so far behind that this was not taken."""
        try:
            self._work.put_nowait(work)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Write what is left. Blocks."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except OSError:
                log.exception("a recording could not be written")


class Recorder:
    """The tape of one call (see `pipelines/journal.py`). `finish` reports from the thread."""

    def __init__(self, thread: RecordingThread, path: Path, rate_hz: int) -> None:
        self._thread = thread
        self._file = StereoFile(path, rate_hz)
        self._pieces: list[Piece] = []
        self._handed_over_ms = 0.0
        self._lost = 0

    def caller(self, at_ms: float, pcm: bytes) -> None:
        self._pieces.append((CALLER, at_ms, pcm))
        if at_ms - self._handed_over_ms >= HAND_OVER_MS:
            self._hand_over(at_ms)

    def agent(self, at_ms: float, pcm: bytes) -> None:
        self._pieces.append((AGENT, at_ms, pcm))

    def erase_agent_after(self, at_ms: float) -> None:
        self._pieces.append((AGENT, at_ms, b""))

    def finish(self, done: Callable[[Finished | None], None]) -> None:
        """Write the rest and close. `done` is called on the recording thread; None when the disk refused."""
        pieces, self._pieces = self._pieces, []

        def work() -> None:
            try:
                self._file.write(pieces, None)
                done(self._file.close(self._lost))
            except OSError:
                log.exception("a recording could not be finished")
                done(None)

        if not self._thread.submit(work):
            done(None)

    def _hand_over(self, now_ms: float) -> None:
        self._handed_over_ms = now_ms
        pieces, self._pieces = self._pieces, []
        if not self._thread.submit(lambda: self._file.write(pieces, now_ms - HELD_BACK_MS)):
            self._lost += len(pieces)


class StereoFile:
    """A growing 16-bit stereo WAV file. Used by one thread."""

    def __init__(self, path: Path, rate_hz: int) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._file: BinaryIO | None = None
        self._window = np.zeros((0, 2), dtype=np.int16)  # samples not written yet
        self._written = 0  # samples in the file: where the window begins
        self._peaks: list[npt.NDArray[np.float32]] = []
        self._bucket = np.zeros((0, 2), dtype=np.int16)

    def write(self, pieces: list[Piece], until_ms: float | None) -> None:
        """Mix the pieces in; write what lies before `until_ms` (None: everything)."""
        for channel, at_ms, pcm in pieces:
            self._mix(channel, at_ms, pcm)
        end = len(self._window) if until_ms is None else self._index(until_ms)
        end = max(0, min(end, len(self._window)))
        if end:
            self._flush(end)

    def _index(self, at_ms: float) -> int:
        return round(at_ms * self._rate_hz / 1000) - self._written

    def _mix(self, channel: int, at_ms: float, pcm: bytes) -> None:
        start = self._index(at_ms)
        if not pcm:
            self._window[max(start, 0) :, channel] = 0
            return
        samples = np.frombuffer(pcm, dtype=np.int16)
        if start < 0:
            samples, start = samples[-start:], 0
        end = start + len(samples)
        if end - len(self._window) > LONGEST_JUMP_MS * self._rate_hz / 1000:
            return
        if end > len(self._window):
            grown = np.zeros((end, 2), dtype=np.int16)
            grown[: len(self._window)] = self._window
            self._window = grown
        self._window[start:end, channel] = samples

    def _flush(self, count: int) -> None:
        block, self._window = self._window[:count], self._window[count:]
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
            self._file.write(header(self._rate_hz, 0))
        self._file.write(block.tobytes())
        self._written += count
        self._file.seek(0)
        self._file.write(header(self._rate_hz, self._written))
        self._file.seek(0, 2)
        self._file.flush()
        self._note_peaks(block)

    def _note_peaks(self, block: npt.NDArray[np.int16]) -> None:
        size = self._rate_hz // PEAKS_PER_SECOND
        block = np.concatenate([self._bucket, block])
        whole = len(block) // size
        buckets = np.abs(block[: whole * size].astype(np.float32)).reshape(whole, size, 2).max(axis=1)
        self._peaks.extend(buckets / 32768.0)
        self._bucket = block[whole * size :]

    def close(self, lost: int) -> Finished | None:
        """None when nothing was recorded."""
        if self._file is None:
            return None
        self._file.close()
        peaks = np.round(np.array(self._peaks, dtype=np.float64).reshape(-1, 2), 3)
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


def header(rate_hz: int, samples: int) -> bytes:
    """A canonical WAV header for 16-bit stereo."""
    size = samples * 4
    return HEADER.pack(
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, rate_hz, rate_hz * 4, 4, 16, b"data", size
    )  # fmt: skip

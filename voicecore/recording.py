"""Stereo recordings, caller left and agent right, placed in call time, streamed to disk by one thread.

The call path only appends to a list; the thread mixes and writes. What the agent said but the caller never
heard is erased before it reaches the file, so a recording holds what was on the line. A file's header is
right after every write: a crash leaves a playable recording. Beside it, line by line, grows the call's trace
(see `pipelines/trace.py`): the two belong together, and whoever removes one removes the other.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from pipelines import trace
from voicecore.domain.calls import Peaks

log = logging.getLogger(__name__)

HELD_BACK_MS = 2000.0  # may still be erased: more than the playout ever runs ahead
HAND_OVER_MS = 2000.0  # of audio at once: each hand-over costs the same, whatever it holds
LOOK_EVERY_S = 0.2
PEAKS_PER_SECOND = 10
QUEUE_LIMIT = 20_000  # hand-overs waiting for the disk; then audio is lost, and that is counted
LONGEST_JUMP_MS = 60_000.0  # a write further ahead than this is a broken clock, not silence
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF/WAVE, PCM: Multimedia Programming Interface 1.0, 1991

RECORDINGS = "recordings"  # inside the data directory
TRACE_SUFFIX = ".trace"

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
    """The one thread that writes all recordings of a process.

    It looks for work a few times a second: waking a thread costs the event loop more than all else it does for
    a recording. The end of a call wakes it.
    """

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None], *, soon: bool = False) -> bool:
        """False: the disk is so far behind that this was not taken."""
        if len(self._work) >= QUEUE_LIMIT:
            return False
        self._work.append(work)
        if soon:
            self._wake.set()
        return True

    def close(self) -> None:
        """Write what is left. Blocks."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()
            while self._work:
                self._do(self._work.popleft())

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError:
            log.exception("a recording could not be written")


class Recorder:
    """The tape of one call (see `pipelines/journal.py`) and its notebook (`pipelines/traced_engines.py`).

    `finish` reports from the thread.
    """

    def __init__(self, thread: RecordingThread, path: Path, rate_hz: int) -> None:
        self._thread = thread
        self._file = StereoFile(path, rate_hz)
        self._trace = path.with_suffix(TRACE_SUFFIX)
        self._notes: list[trace.Entry] = []
        self._bytes_per_ms = rate_hz * 2 / 1000
        self._pieces: list[Piece] = []
        self._frames: list[bytes] = []  # of the caller, one after another without a gap
        self._frames_from_ms = self._frames_until_ms = 0.0
        self._handed_over_ms = 0.0
        self._lost = 0

    def caller(self, at_ms: float, pcm: bytes) -> None:
        if at_ms != self._frames_until_ms:
            self.note(trace.Gap(from_ms=self._frames_until_ms, until_ms=at_ms))
            self._join_frames()
            self._frames_from_ms = at_ms
        self._frames.append(pcm)
        self._frames_until_ms = at_ms + len(pcm) / self._bytes_per_ms
        if at_ms - self._handed_over_ms >= HAND_OVER_MS:
            self._hand_over(at_ms)

    def agent(self, at_ms: float, pcm: bytes) -> None:
        self._pieces.append((AGENT, at_ms, pcm))

    def erase_agent_after(self, at_ms: float) -> None:
        self._pieces.append((AGENT, at_ms, b""))

    @property
    def heard_ms(self) -> float:
        return self._frames_until_ms

    def note(self, entry: trace.Entry) -> None:
        self._notes.append(entry)

    def finish(self, done: Callable[[Finished | None], None]) -> None:
        """Write the rest and close. `done` is called on the recording thread; None when the disk refused."""
        pieces = self._take()
        notes, self._notes = self._notes, []
        if notes:
            notes.append(trace.Closed(heard_ms=self._frames_until_ms, lost_pieces=self._lost))

        def work() -> None:
            try:
                self._file.write(pieces, None)
                self._write_down(notes)
                done(self._file.close(self._lost))
            except OSError:
                log.exception("a recording could not be finished")
                done(None)

        if not self._thread.submit(work, soon=True):
            done(None)

    def _hand_over(self, now_ms: float) -> None:
        self._handed_over_ms = now_ms
        pieces = self._take()
        notes, self._notes = self._notes, []

        def work() -> None:
            self._file.write(pieces, now_ms - HELD_BACK_MS)
            self._write_down(notes)

        if not self._thread.submit(work):
            self._lost += len(pieces)
            self._notes = notes

    def _write_down(self, notes: list[trace.Entry]) -> None:
        if notes:
            self._trace.parent.mkdir(parents=True, exist_ok=True)
            with self._trace.open("ab") as file:
                file.write(trace.encode(notes))

    def _take(self) -> list[Piece]:
        self._join_frames()
        pieces, self._pieces = self._pieces, []
        return pieces

    def _join_frames(self) -> None:
        """Mixing costs by the piece: a second of frames is one."""
        if self._frames:
            self._pieces.append((CALLER, self._frames_from_ms, b"".join(self._frames)))
            self._frames = []
            self._frames_from_ms = self._frames_until_ms


class StereoFile:
    """A growing 16-bit stereo WAV file. Used by one thread."""

    def __init__(self, path: Path, rate_hz: int) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._file: FileIO | None = None
        self._window = np.zeros((0, 2), dtype=np.int16)  # samples not written yet
        self._written = 0  # samples in the file: where the window begins
        self._peaks: list[npt.NDArray[np.float32]] = []
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
            _write_all(self._file, header(self._rate_hz, 0))
        _write_all(self._file, block.tobytes())
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
            self._peaks.append((loudest / 32768.0).astype(np.float32))
        self._bucket = block[whole * size :]

    def close(self, lost: int) -> Finished | None:
        """None when nothing was recorded."""
        if self._file is None:
            return None
        self._file.close()
        peaks = np.round(np.concatenate([np.zeros((0, 2)), *self._peaks]).astype(np.float64), 3)
        self._window = self._bucket = np.zeros((0, 2), dtype=np.int16)  # the call may be remembered for a while
        self._peaks = []
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


def _write_all(file: FileIO, data: bytes) -> None:
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

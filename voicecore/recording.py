"""Stereo recordings, caller left and agent right, placed in call time, streamed to disk by one thread.

The call path only appends to a list; the thread mixes and writes. What the agent said but the caller never
heard is erased before it reaches the file, so a recording holds what was on the line. A file's header is
right after every write: a crash leaves a playable recording. Beside it, line by line, grows the call's trace
(see `pipelines/trace.py`): the two belong together, and whoever removes one removes the other.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from pipelines import trace
from voicecore.stereo_file import AGENT, CALLER, Piece, StereoFile, write_all
from voicecore.stereo_file import Finished as Finished

log = logging.getLogger(__name__)

HELD_BACK_MS = 2000.0  # may still be erased: more than the playout ever runs ahead
HAND_OVER_MS = 2000.0  # of audio at once: each hand-over costs the same, whatever it holds
LOOK_EVERY_S = 0.2
QUEUE_LIMIT = 20_000  # hand-overs waiting for the disk; then audio is lost, and that is counted

RECORDINGS = "recordings"  # inside the data directory
TRACE_SUFFIX = ".trace"


class RecordingThread:
    """The one thread that writes all recordings of a process.

    It looks for work a few times a second: waking a thread costs the event loop more than all else it does for
    a recording. The end of a call wakes it.
    """

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._writing = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._writing.start()

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
        self._writing.join()

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

    __slots__ = (
        "_bytes_per_ms",
        "_file",
        "_frames",
        "_frames_from_ms",
        "_frames_until_ms",
        "_handed_over_ms",
        "_lost",
        "_notes",
        "_pieces",
        "_spoken",
        "_spoken_from_ms",
        "_spoken_until_ms",
        "_trace",
        "_trace_file",
        "_writing",
    )

    def __init__(self, thread: RecordingThread, path: Path, rate_hz: int) -> None:
        self._writing = thread
        self._file = StereoFile(path, rate_hz)
        self._trace = path.with_suffix(TRACE_SUFFIX)
        self._trace_file: FileIO | None = None  # the thread's, like the other one
        self._notes: list[trace.Entry] = []
        self._bytes_per_ms = rate_hz * 2 / 1000
        self._pieces: list[Piece] = []
        # Of either side, one after another without a gap: mixing costs by the piece.
        self._frames: list[bytes] = []
        self._frames_from_ms = self._frames_until_ms = 0.0
        self._spoken: list[bytes] = []
        self._spoken_from_ms = self._spoken_until_ms = 0.0
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
        if at_ms != self._spoken_until_ms:
            self._join_spoken()
            self._spoken_from_ms = at_ms
        self._spoken.append(pcm)
        self._spoken_until_ms = at_ms + len(pcm) / self._bytes_per_ms

    def erase_agent_after(self, at_ms: float) -> None:
        self._join_spoken()
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
            finally:
                if self._trace_file is not None:
                    self._trace_file.close()

        if not self._writing.submit(work, soon=True):
            done(None)

    def _hand_over(self, now_ms: float) -> None:
        self._handed_over_ms = now_ms
        pieces = self._take()
        notes, self._notes = self._notes, []

        def work() -> None:
            self._file.write(pieces, now_ms - HELD_BACK_MS)
            self._write_down(notes)

        if not self._writing.submit(work):
            self._lost += len(pieces)
            self._notes = notes

    def _write_down(self, notes: list[trace.Entry]) -> None:
        if not notes:
            return
        if self._trace_file is None:
            self._trace.parent.mkdir(parents=True, exist_ok=True)
            self._trace_file = self._trace.open("ab", buffering=0)
        write_all(self._trace_file, trace.encode(notes))

    def _take(self) -> list[Piece]:
        self._join_frames()
        self._join_spoken()
        pieces, self._pieces = self._pieces, []
        return pieces

    def _join_frames(self) -> None:
        if self._frames:
            self._pieces.append((CALLER, self._frames_from_ms, b"".join(self._frames)))
            self._frames = []
            self._frames_from_ms = self._frames_until_ms

    def _join_spoken(self) -> None:
        if self._spoken:
            self._pieces.append((AGENT, self._spoken_from_ms, b"".join(self._spoken)))
            self._spoken = []
            self._spoken_from_ms = self._spoken_until_ms

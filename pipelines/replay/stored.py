"""A call as it is stored: the caller's audio from the recording, and everything else from the trace.

It only reads and sorts; what would have happened otherwise is nobody's business here.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from config.loader import convert
from config.schema import AgentSettings
from pipelines import trace
from pipelines.audio import FRAME_MS
from pipelines.errors import NotFound
from pipelines.events import EndReason


class Utterance(msgspec.Struct):
    """What the recogniser was asked about one utterance."""

    began_ms: float  # the newest audio when it began
    partials: list[trace.PartialRead] = []
    flushes: list[trace.Flushed] = []

    def flush_at(self, heard_ms: float, near_ms: float) -> trace.Flushed | None:
        """The one that covers this audio, give or take `near_ms`; rather one that was answered."""
        same = [flush for flush in self.flushes if abs(flush.heard_ms - heard_ms) <= near_ms]
        return min(same, key=lambda flush: (abs(flush.heard_ms - heard_ms), flush.cut), default=None)


class StoredCall:
    """`pcm`: the caller's side, 16-bit mono at `opened.inbound_hz`, from call time 0 on."""

    def __init__(self, entries: list[trace.AnyEntry], pcm: bytes) -> None:
        first = entries[0]
        assert isinstance(first, trace.Opened)
        self.opened = first
        self.pcm = pcm
        self.running = trace.Running(started_ms=0.0, tick_ms=0.0)
        self.gaps: list[trace.Gap] = []
        self.late: dict[float, float] = {}  # start of a frame → milliseconds
        self.lost_pieces = 0
        self._closed_ms = math.inf  # the agent may be heard, and recorded, for longer than the caller
        self.utterances: list[Utterance] = []
        self.detections: list[trace.Detected] = []
        self.requests: list[trace.Asked] = []
        self.tools: list[trace.ToolUsed] = []
        self.spoken: list[trace.Spoke] = []
        self.marks: dict[str, float] = {}
        self.clears = True  # unless it turned out otherwise
        self.visits: list[trace.Key | trace.Goodbye | trace.Ended] = []
        for entry in entries:
            self._sort(entry)

    def _sort(self, entry: trace.AnyEntry) -> None:
        match entry:
            case trace.Running():
                self.running = entry
            case trace.Gap():
                self.gaps.append(entry)
            case trace.Late():
                self.late[entry.from_ms] = entry.late_ms
            case trace.Closed():
                self.lost_pieces = entry.lost_pieces
                self._closed_ms = entry.heard_ms
            case trace.UtteranceBegan():
                self.utterances.append(Utterance(entry.heard_ms))
            case trace.PartialRead() if self.utterances:
                self.utterances[-1].partials.append(entry)
            case trace.Flushed():
                self._sort_flush(entry)
            case trace.Detected():
                self.detections.append(entry)
            case trace.Asked():
                self.requests.append(entry)
            case trace.ToolUsed():
                self.tools.append(entry)
            case trace.Spoke():
                self.spoken.append(entry)
            case trace.MarkBack():
                self.marks.setdefault(entry.name, entry.after_ms)
            case trace.Cleared():
                self.clears = entry.works
            case trace.Key() | trace.Goodbye() | trace.Ended():
                self.visits.append(entry)
            case _:
                pass  # the first line; a partial before any utterance

    def _sort_flush(self, flush: trace.Flushed) -> None:
        """An answer may come when the next utterance has begun already."""
        for utterance in reversed(self.utterances):
            if utterance.began_ms <= flush.heard_ms:
                utterance.flushes.append(flush)
                return

    @property
    def agent(self) -> AgentSettings:
        """The settings in force. Raises ConfigError when this version knows one of them no longer."""
        return convert(self.opened.agent, AgentSettings, source="the settings of this call")

    @property
    def whole(self) -> bool:
        """False: the server crashed, and the last seconds are missing."""
        return self._closed_ms < math.inf

    @property
    def hung_up_ms(self) -> float | None:
        """When the caller did, if he did."""
        ends = [v.at_ms for v in self.visits if isinstance(v, trace.Ended) and v.reason == EndReason.CALLER_HANGUP]
        return ends[0] if ends else None

    def frames(self) -> Iterator[tuple[float, bytes]]:
        """Start in call time, and 20 ms of samples; what never came is left out."""
        size = FRAME_MS * self.opened.inbound_hz // 1000 * 2
        for index in range(len(self.pcm) // size):
            start_ms = float(index * FRAME_MS)
            if start_ms >= self._closed_ms:
                return
            if not any(gap.from_ms <= start_ms < gap.until_ms for gap in self.gaps):
                yield start_ms, self.pcm[index * size : (index + 1) * size]


def load(recording: Path, notes: Path) -> StoredCall:
    """Raises NotFound when one of the files is not there, TraceDamaged."""
    try:
        data = notes.read_bytes()
    except OSError:
        raise NotFound(
            f"this call has no trace beside its recording ({notes.name}): it was made by an older version, or was "
            "never held. Without what the engines did it cannot be replayed"
        ) from None
    try:
        with wave.open(str(recording)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())
    except (OSError, EOFError, wave.Error):
        raise NotFound(f"the recording of this call is not there ({recording.name}): it cannot be replayed") from None
    return StoredCall(trace.decode(data), np.ascontiguousarray(samples[:, 0]).tobytes())

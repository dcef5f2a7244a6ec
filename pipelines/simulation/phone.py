"""The far end of a simulated call: plays what it is sent in order and in real time, and writes down what happens.

An `Outlet`, `Journal` and `Tape` in one. It judges nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec

from pipelines.audio import FRAME_MS, TELEPHONE
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.simulation.engines import request_of
from pipelines.simulation.virtual_time import virtual_loop
from pipelines.timing import Turn

FRAME = FRAME_MS * 8


class Played(msgspec.Struct):
    """A stretch of the agent's audio in call time; `request` of the voice that it belongs to, None for silence."""

    start_ms: float
    end_ms: float
    request: int | None
    sent_ms: float


class Phone:
    """`played` is the agent's audio as heard; what a clear took back is not in it."""

    audio_format = TELEPHONE

    def __init__(self, now_ms: Callable[[], float], *, has_marks: bool = True) -> None:
        self._now_ms = now_ms
        self.has_marks = has_marks
        self.returns_mark: Callable[[str], None] = lambda name: None
        self.played: list[Played] = []
        self.ends_ms = 0.0  # when everything sent so far will have been heard
        self.clears = 0
        self.sent: list[tuple[float, int]] = []  # (call time of sending, request of the voice)
        self.hung_up = False
        self.events: list[CallEvent] = []
        self.turns: list[Turn] = []
        self.reason: EndReason | None = None
        self._marks: dict[str, asyncio.TimerHandle] = {}
        self._speaking: set[int | None] = set()  # turns whose reply was audible and is not over
        self.reply_began_ms: float | None = None  # of the newest reply
        self.replies = 0  # audible ones that are over
        self.cut_off = False  # the newest reply that is over was interrupted

    # --- what the agent does ------------------------------------------------------------------------

    def send_audio(self, audio: bytes) -> None:
        now = self._now_ms()
        at = max(self.ends_ms, now)
        for start in range(0, len(audio), FRAME):
            frame = audio[start : start + FRAME]
            self._play(frame, at, now)
            at += len(frame) / 8
        self.ends_ms = at

    def _play(self, frame: bytes, at: float, now: float) -> None:
        request, end = request_of(frame), at + len(frame) / 8
        if request is not None:
            self.sent.append((now, request))
        last = self.played[-1] if self.played else None
        if last and last.request == request and abs(last.end_ms - at) < 0.01:
            last.end_ms = end
        else:
            self.played.append(Played(at, end, request, now))

    def send_clear(self) -> bool:
        now = self._now_ms()
        self.clears += 1
        while self.played and self.played[-1].start_ms >= now:
            self.played.pop()
        if self.played:
            self.played[-1].end_ms = min(self.played[-1].end_ms, now)
        self.ends_ms = min(self.ends_ms, now)
        for name, timer in list(self._marks.items()):
            timer.cancel()
            self._return(name)
        return True

    def send_mark(self, name: str) -> None:
        left_s = max(0.0, self.ends_ms - self._now_ms()) / 1000
        self._marks[name] = virtual_loop().call_later(left_s, self._return, name)

    def send_transcript(self, role: str, text: str) -> None: ...

    def hang_up(self) -> None:
        self.hung_up = True

    def _return(self, name: str) -> None:
        if self._marks.pop(name, None) is not None:
            self.returns_mark(name)

    def close(self) -> None:
        for timer in self._marks.values():
            timer.cancel()
        self._marks.clear()

    # --- what is heard ------------------------------------------------------------------------------

    @property
    def speaking(self) -> bool:
        """Is the agent heard now? Also true in the breath between two sentences."""
        return self._now_ms() < self.ends_ms

    @property
    def reply_running(self) -> bool:
        """A reply was begun to be heard and is not over; it may be paused."""
        return bool(self._speaking)

    def voice(self, gap_ms: float) -> Iterator[tuple[float, float]]:
        """Stretches in which the agent is heard; silences shorter than `gap_ms` do not part them."""
        start = end = None
        for piece in self.played:
            if piece.request is None or piece.end_ms <= piece.start_ms:
                continue
            if end is not None and piece.start_ms - end < gap_ms:
                end = piece.end_ms
                continue
            if start is not None and end is not None:
                yield start, end
            start, end = piece.start_ms, piece.end_ms
        if start is not None and end is not None:
            yield start, end

    # --- journal and tape ---------------------------------------------------------------------------

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        if event.kind is EventKind.REPLY_STARTED:
            self._speaking.add(event.turn)
            self.reply_began_ms = event.at_ms
        elif event.kind is EventKind.REPLY_FINISHED and event.turn in self._speaking:
            self._speaking.discard(event.turn)
            self.replies += 1
            self.cut_off = bool(event.data.get("interrupted"))

    def turn_finished(self, turn: Turn) -> None:
        self.turns.append(turn)

    def ended(self, reason: EndReason, at_ms: float) -> None:
        self.reason = reason

    def caller(self, at_ms: float, pcm: bytes) -> None: ...

    def agent(self, at_ms: float, pcm: bytes) -> None: ...

    def erase_agent_after(self, at_ms: float) -> None: ...

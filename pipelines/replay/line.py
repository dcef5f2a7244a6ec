"""The far end of a replayed call: returns marks as late as its carrier did, and keeps what happens.

`Outlet`, `Journal` and `Tape` in one. It judges nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median

from pipelines.audio import FRAME_MS, AudioFormat
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.replay.caller import Reply
from pipelines.replay.stored import StoredCall
from pipelines.simulation.virtual_time import virtual_loop
from pipelines.timing import Turn


class ReplayLine:
    """`now`: call time."""

    def __init__(self, call: StoredCall, now: Callable[[], float]) -> None:
        self._now = now
        self._format = call.opened.outbound
        self._marks = call.marks
        self._usual_ms = median(call.marks.values()) if call.marks else 0.0
        self._pending: dict[str, asyncio.TimerHandle] = {}
        self._clears = call.clears
        self._ends_ms = 0.0  # when everything sent so far will have been heard
        self.has_marks = call.opened.has_marks
        self.returns_mark: Callable[[str], None] = lambda name: None
        self.heard_ms = 0.0  # of the caller
        self.replies: list[Reply] = []
        self.events: list[CallEvent] = []
        self.turns: list[Turn] = []

    # --- outlet -------------------------------------------------------------------------------------

    @property
    def audio_format(self) -> AudioFormat:
        return self._format

    def send_audio(self, audio: bytes) -> None:
        self._ends_ms = max(self._ends_ms, self._now()) + self._format.duration_ms(len(audio))

    def send_mark(self, name: str) -> None:
        if name in self._pending:
            return
        due_ms = max(self._ends_ms, self._now()) + self._marks.get(name, self._usual_ms)
        wait_s = max(0.0, due_ms - self._now()) / 1000.0
        self._pending[name] = virtual_loop().call_later(wait_s, self._return, name)

    def _return(self, name: str) -> None:
        del self._pending[name]
        self.returns_mark(name)

    def send_clear(self) -> bool:
        """The marks that come back now say nothing of the line."""
        self.close()
        if self._clears:
            self._ends_ms = self._now()
        return self._clears

    def send_transcript(self, role: str, text: str) -> None: ...

    def hang_up(self) -> None: ...

    def close(self) -> None:
        for timer in self._pending.values():
            timer.cancel()
        self._pending.clear()

    # --- journal and tape ---------------------------------------------------------------------------

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        if event.kind is EventKind.REPLY_STARTED:
            self.replies.append(Reply(event.at_ms))

    def turn_finished(self, turn: Turn) -> None:
        self.turns.append(turn)
        if turn.agent_ended_ms is not None and self.replies:
            self.replies[-1].ended_ms = turn.agent_ended_ms

    def ended(self, reason: EndReason, at_ms: float) -> None: ...

    def caller(self, at_ms: float, pcm: bytes) -> None:
        self.heard_ms = at_ms + FRAME_MS

    def agent(self, at_ms: float, pcm: bytes) -> None: ...

    def erase_agent_after(self, at_ms: float) -> None: ...

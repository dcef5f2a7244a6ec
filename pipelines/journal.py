"""Where a conversation reports what happened. Methods are synchronous, never block and never raise:
the implementation queues, bounded, and somebody else writes.
"""

from __future__ import annotations

from typing import Protocol

from pipelines.events import CallEvent, EndReason
from pipelines.timing import Turn


class Journal(Protocol):
    def event(self, event: CallEvent) -> None: ...

    def turn_finished(self, turn: Turn) -> None:
        """A turn will not change any more. Must be durable soon: a crash may follow."""
        ...

    def ended(self, reason: EndReason, at_ms: float) -> None: ...


class Tape(Protocol):
    """The stereo recording of a call: 16-bit samples placed in call time."""

    def caller(self, at_ms: float, pcm: bytes) -> None: ...

    def agent(self, at_ms: float, pcm: bytes) -> None: ...

    def erase_agent_after(self, at_ms: float) -> None:
        """Audio from there on was cleared before it was heard."""
        ...

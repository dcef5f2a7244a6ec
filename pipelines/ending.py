"""Why and when one call ends: at once, when the goodbye was heard, or because turn after turn failed.

It knows nothing of turns or texts. Time is an argument, in call time.
"""

from __future__ import annotations

import asyncio

from pipelines.events import EndReason
from pipelines.mouth import Mouth
from pipelines.outlet import Outlet

FAILED_TURNS = 2  # failures in a row after which the call is given up
GOODBYE_GRACE_MS = 2000.0  # a goodbye's mark that does not come back is waited for no longer


class Ending:
    """`reason` is why the call has ended; `pending`, why it will end once the running reply was heard."""

    def __init__(self, outlet: Outlet, mouth: Mouth) -> None:
        self._outlet = outlet
        self._mouth = mouth
        self._ended = asyncio.Event()
        self._closing_ms: float | None = None  # the goodbye should have been heard by then
        self._failed_turns = 0
        self.reason: EndReason | None = None
        self.pending: EndReason | None = None

    def end(self, reason: EndReason) -> None:
        """Stop. The first reason given stands."""
        if self.reason is None:
            self.reason = reason
            self._ended.set()

    async def ended(self) -> None:
        await self._ended.wait()

    # --- after the goodbye --------------------------------------------------------------------------

    def after_reply(self, reason: EndReason) -> None:
        """End once the running reply was heard."""
        self.pending = reason

    def agent_hangs_up(self) -> None:
        """The agent's own wish; a reason that was there before it stands."""
        self.pending = self.pending or EndReason.AGENT_HANGUP

    def revoke(self) -> None:
        """Who interrupts a goodbye wants to go on."""
        self.pending = self._closing_ms = None

    def reply_over(self, now_ms: float) -> None:
        """By our own clock the running reply was heard to its end."""
        if self.pending is not None:
            self._closing_ms = now_ms + GOODBYE_GRACE_MS
            self.close_when_heard(now_ms)

    def close_when_heard(self, now_ms: float) -> None:
        """Hang up after a goodbye: when its mark came back, at once without marks, or when that takes too long."""
        if self.pending is None or self._closing_ms is None or self.reason is not None:
            return
        if self._mouth.playout.line.confirmed or not self._outlet.has_marks or now_ms >= self._closing_ms:
            self._outlet.hang_up()
            self.end(self.pending)

    # --- failures -----------------------------------------------------------------------------------

    def turn_failed(self) -> bool:
        """True when that was one failure in a row too many."""
        self._failed_turns += 1
        return self._failed_turns >= FAILED_TURNS

    def turn_succeeded(self) -> None:
        self._failed_turns = 0

"""Whoever asks the database on and on without ever having to wait lets the calls have the event loop meanwhile."""

from __future__ import annotations

import asyncio
import time

LONGEST_S = 0.002  # of a turn of the loop, from its first question on


class Pace:
    """One for all who ask, since all of them together hold up a turn."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    async def keep(self) -> None:
        """Call after each answer: returns at once, or in the loop's next turn."""
        now_s = time.perf_counter()
        if self._began_s is None:
            self._began_s = now_s
            asyncio.get_running_loop().call_soon(self._next_turn)
        elif now_s - self._began_s > LONGEST_S:
            await asyncio.sleep(0)

    def _next_turn(self) -> None:
        self._began_s = None

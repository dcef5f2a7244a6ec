"""Whose audio is heard next: the calls of a process in the order in which their audio fell due, some at a time.

An answer on its way passes through the event loop some ten times, a frame once. Where all frames that came are heard
before anything else has its turn, each of those ten passes waits for all of them; so after a while the rest of the
process has its turn first. Under load frames then wait, once and a little, and more of one call are heard in one go.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

SLICE_S = 0.002  # as long as the rest of the process took since the last slice, if that was longer: half of the time
LONGEST_SLICE_S = 0.02


class Hearer(Protocol):
    def hear(self) -> None:
        """Hear all audio that waits. Does not raise, does not block."""
        ...


class Rota:
    """`note_lag` is told how many milliseconds the first in line has waited."""

    def __init__(self, note_lag: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._note_lag = note_lag
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, Hearer]] = deque()
        self._running = False
        self._ended_s = 0.0  # the newest slice

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, call: Hearer) -> None:
        """Its audio is due. To be said once until it was heard."""
        self._waiting.append((self._clock(), call))
        if not self._running:
            self._running = True
            self._loop.call_soon(self._hear)

    def _hear(self) -> None:
        waiting, clock = self._waiting, self._clock
        began_s = clock()
        self._note_lag((began_s - waiting[0][0]) * 1000.0)
        until_s = began_s + min(max(began_s - self._ended_s, SLICE_S), LONGEST_SLICE_S)
        try:
            while waiting and clock() < until_s:
                waiting.popleft()[1].hear()
        finally:  # whatever happens in one call, the others are heard
            self._ended_s = clock()
            self._running = bool(waiting)
            if waiting:
                self._loop.call_soon(self._hear)

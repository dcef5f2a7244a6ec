"""One pacer for all calls of a process: ticks on absolute deadlines while anybody plays, rests when nobody does.

A stall of the event loop delays one tick and moves no later one. Who is ticked decides what is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)

TICK_S = 0.02
LAG_WINDOW_S = 1.0
WATCH_EVERY = 5  # ticks: deadlines are looked at every 100 ms


class Player(Protocol):
    def tick(self, now_ms: float) -> None:
        """Release what is due at this monotonic time; must not block."""
        ...


class Watched(Protocol):
    def watch(self, now_ms: float) -> None:
        """Look at deadlines that do not need 20 ms precision; must not block."""
        ...


class Pacer:
    """Ticks every added player each 20 ms, and every watched call each 100 ms."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._players: dict[int, Player] = {}
        self._watched: dict[int, Watched] = {}
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.worst_lag_ms = 0.0  # latest tick since the process began, against its deadline
        self._lag_ms = 0.0  # worst of the running second
        self._last_lag_ms = 0.0  # worst of the second before
        self._lag_window = 0.0

    def __len__(self) -> int:
        return len(self._players)

    def now_ms(self) -> float:
        return self._loop.time() * 1000.0

    def add(self, player: Player) -> None:
        self._players[id(player)] = player
        self._run()

    def remove(self, player: Player) -> None:
        self._players.pop(id(player), None)

    def watch(self, call: Watched) -> None:
        self._watched[id(call)] = call
        self._run()

    def unwatch(self, call: Watched) -> None:
        self._watched.pop(id(call), None)

    def _run(self) -> None:
        if self._timer is None:
            self._due = self._loop.time() + TICK_S
            self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        self._note_lag(now)
        for player in list(self._players.values()):
            self._guard(player.tick, now * 1000.0, player)
        self._ticks += 1
        if self._ticks % WATCH_EVERY == 0:
            for call in list(self._watched.values()):
                self._guard(call.watch, now * 1000.0, call)
        if not self._players and not self._watched:
            self._timer = None
            return
        missed = max(0, int((now - self._due) / TICK_S))
        self._due += TICK_S * (missed + 1)
        self._timer = self._loop.call_at(self._due, self._tick)

    @property
    def lag_ms(self) -> float:
        """How late the loop was at its worst in the last one to two seconds, or is now; 0 while nothing runs."""
        if self._timer is None:
            return 0.0
        now = self._loop.time()
        overdue_ms = max(0.0, (now - self._due) * 1000.0)  # after a stall, others may run before the tick does
        if now - self._lag_window > 2 * LAG_WINDOW_S:
            return overdue_ms
        return max(self._lag_ms, self._last_lag_ms, overdue_ms)

    def _note_lag(self, now: float) -> None:
        lag_ms = (now - self._due) * 1000.0
        if now - self._lag_window > LAG_WINDOW_S:
            self._last_lag_ms, self._lag_ms, self._lag_window = self._lag_ms, 0.0, now
        self._lag_ms = max(self._lag_ms, lag_ms)
        self.worst_lag_ms = max(self.worst_lag_ms, lag_ms)

    def _guard(self, step: Callable[[float], None], now_ms: float, owner: object) -> None:
        try:
            step(now_ms)
        except Exception:
            # One broken call must not silence the others; it is taken out and reported.
            log.exception("a call failed in the pacer and was taken out of it")
            self._players.pop(id(owner), None)
            self._watched.pop(id(owner), None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._players.clear()
        self._watched.clear()

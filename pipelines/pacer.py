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
WHEEL = 32  # ticks before the wheel has turned round; nobody rests longer than half of it
VOID = -1


class Player(Protocol):
    def tick(self, now_ms: float) -> int:
        """Release what is due at this monotonic time; must not block. Returns how many ticks it needs none."""
        ...


class Watched(Protocol):
    def watch(self, now_ms: float) -> None:
        """Look at deadlines that do not need 20 ms precision; must not block."""
        ...


class _Entry:
    """Somebody's place on the wheel. `due` is the number of a tick; any other number makes the place void."""

    __slots__ = ("due", "step")

    def __init__(self, step: Callable[[float], int | None]) -> None:
        self.step = step
        self.due = 0


def _nobody(now_ms: float) -> int:
    return 0


class Pacer:
    """Ticks every added player each 20 ms, unless it needs less, and every watched call each 100 ms.

    A wheel of ticks: a tick looks at nobody but those who are due at it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._players: dict[int, _Entry] = {}
        self._watched: dict[int, _Entry] = {}
        self._wheel: list[list[_Entry]] = [[] for _ in range(WHEEL)]
        self._ticks = 0  # number of the newest tick
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.worst_lag_ms = 0.0  # latest tick since the process began, against its deadline
        self._lag_ms = 0.0  # worst of the running second
        self._last_lag_ms = 0.0  # worst of the second before
        self._lag_window = 0.0
        self.recent_lag_ms = 0.0  # `lag_ms` as of the newest tick

    def __len__(self) -> int:
        return len(self._players)

    def now_ms(self) -> float:
        return self._loop.time() * 1000.0

    def add(self, player: Player) -> None:
        self._enter(self._players, id(player), player.tick, 1)

    def remove(self, player: Player) -> None:
        self._leave(self._players, id(player))

    def watch(self, call: Watched) -> None:
        self._enter(self._watched, id(call), call.watch, WATCH_EVERY)

    def unwatch(self, call: Watched) -> None:
        self._leave(self._watched, id(call))

    def _enter(self, entries: dict[int, _Entry], key: int, step: Callable[[float], int | None], ticks: int) -> None:
        self._leave(entries, key)
        entry = entries[key] = _Entry(step)
        self._place(entry, ticks)
        if self._timer is None:
            self._due = self._loop.time() + TICK_S
            self._timer = self._loop.call_at(self._due, self._tick)

    def _leave(self, entries: dict[int, _Entry], key: int) -> None:
        if (entry := entries.pop(key, None)) is not None:
            entry.due, entry.step = VOID, _nobody  # the wheel keeps the place for a while, but not its owner

    def _place(self, entry: _Entry, ticks: int) -> None:
        entry.due = self._ticks + ticks
        self._wheel[entry.due % WHEEL].append(entry)

    def _tick(self) -> None:
        now = self._loop.time()
        self.note_lag((now - self._due) * 1000.0)
        missed = max(0, int((now - self._due) / TICK_S))
        first = self._ticks + 1
        self._ticks += missed + 1
        for number in range(first, self._ticks + 1):
            self._turn(number, now * 1000.0)
        if not self._players and not self._watched:
            self._timer = None
            return
        self._due += TICK_S * (missed + 1)
        self._timer = self._loop.call_at(self._due, self._tick)

    def _turn(self, number: int, now_ms: float) -> None:
        entries = self._wheel[number % WHEEL]
        self._wheel[number % WHEEL] = []
        for entry in entries:
            if entry.due != number:
                continue
            try:
                rest = entry.step(now_ms)
            except Exception:
                # One broken call must not silence the others; it is taken out and reported.
                log.exception("a call failed in the pacer and was taken out of it")
                self._expel(entry)
                continue
            if entry.due == number:  # it may have left, or entered anew
                self._place(entry, WATCH_EVERY if rest is None else 1 + min(rest, WHEEL // 2))

    def _expel(self, broken: _Entry) -> None:
        owner = getattr(broken.step, "__self__", None)
        self._leave(self._players, id(owner))
        self._leave(self._watched, id(owner))

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

    def note_lag(self, lag_ms: float) -> None:
        """Something was done so much later than it was due."""
        now = self._loop.time()
        if now - self._lag_window > LAG_WINDOW_S:
            self._last_lag_ms, self._lag_ms, self._lag_window = self._lag_ms, 0.0, now
        self._lag_ms = max(self._lag_ms, lag_ms)
        self.worst_lag_ms = max(self.worst_lag_ms, lag_ms)
        self.recent_lag_ms = max(self._lag_ms, self._last_lag_ms)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._players.clear()
        self._watched.clear()
        self._wheel = [[] for _ in range(WHEEL)]

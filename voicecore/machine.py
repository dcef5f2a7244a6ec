"""How busy this machine is, in percent. Asking is cheap and does not wait."""

from __future__ import annotations

from pathlib import Path

import msgspec
import psutil

SHORTEST_S = 0.1  # the system counts in hundredths of a second


class Busy(msgspec.Struct, frozen=True):
    cpu: float  # since it was asked last
    memory: float
    disk: float  # of the volume that holds the data


class _Spent(msgspec.Struct, frozen=True):
    """Seconds of all processors since the machine was started."""

    total: float
    idle: float


class Machine:
    """May be asked from any thread: psutil's own percentage is each thread's, and 0 for one that never asked before."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._spent = _spent()
        self._cpu = 0.0

    def busy(self) -> Busy:
        at = self._data if self._data.exists() else Path.cwd()
        return Busy(self._processors(), psutil.virtual_memory().percent, psutil.disk_usage(str(at)).percent)

    def _processors(self) -> float:
        before, now = self._spent, _spent()
        passed = now.total - before.total
        if passed >= SHORTEST_S:  # less says nothing: the last figure stands
            self._spent = now
            self._cpu = round(min(100.0, max(0.0, 100 * (1 - (now.idle - before.idle) / passed))), 1)
        return self._cpu


def _spent() -> _Spent:
    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted as the host's, too
    return _Spent(sum(times) - guests, times.idle + getattr(times, "iowait", 0.0))

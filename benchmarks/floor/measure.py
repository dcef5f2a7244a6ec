"""Times small steps honestly: calibrated batches, best and median, on whatever core it was pinned to."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import msgspec

BATCH_S = 0.01


class Step(msgspec.Struct, frozen=True):
    """Microseconds of one step; `note` says what it stands for, or why it is missing (then the times are None)."""

    group: str
    name: str
    best_us: float | None
    median_us: float | None
    note: str = ""


def timed(
    group: str, name: str, step: Callable[[], object], *, batches: int = 40, per: int = 1, note: str = ""
) -> Step:
    """`per`: how many frames one call of `step` stands for."""
    rounds = 1
    while True:
        started = time.perf_counter()
        for _ in range(rounds):
            step()
        if (spent := time.perf_counter() - started) >= BATCH_S:
            break
        rounds = max(rounds * 2, int(rounds * BATCH_S / max(spent, 1e-6)))
    figures = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(batches):
            started = time.perf_counter()
            for _ in range(rounds):
                step()
            figures.append((time.perf_counter() - started) / rounds / per * 1e6)
    finally:
        gc.enable()
    return Step(group, name, round(min(figures), 3), round(statistics.median(figures), 3), note)


def absent(group: str, name: str, reason: str) -> Step:
    return Step(group, name, None, None, f"NOT MEASURED: {reason}")

"""The garbage collector in a process of many calls: what boot made is never looked at again, the young seldom.

A full collection stops every call at once. But a call that is over is one knot of objects that refer to each other,
and half a megabyte: left to the thresholds, thousands of them would pile up. It refuses to know what is on the heap.
"""

from __future__ import annotations

import gc

SWEEP_AT_LEAST = 64  # ended calls: some 30 MB
THRESHOLDS = (10_000, 10, 20)  # container objects, then generations: CPython's are 700, 10, 10


def settle() -> None:
    """Call once, when the server is built and before it takes calls. The little garbage of the boot is kept: looking
    for it takes 0.1 s, in which the first caller would wait."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class Sweeper:
    """Collects the calls that are over when there are as many of them as of those that run."""

    def __init__(self, at_least: int = SWEEP_AT_LEAST) -> None:
        self._at_least = at_least
        self._ended = 0

    def call_ended(self, running: int) -> None:
        self._ended += 1
        if self._ended >= max(self._at_least, running):
            self._ended = 0
            gc.collect()

"""The garbage collector in a process of many calls: what boot made is never looked at again, the young seldom.

A full collection stops every call at once. It refuses to know what is on the heap.
"""

from __future__ import annotations

import gc

THRESHOLDS = (10_000, 10, 20)  # container objects, then generations: CPython's are 700, 10, 10


def settle() -> None:
    """Call once, when the server is built and before it takes calls."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

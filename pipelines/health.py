"""How one engine has been doing lately: whether to ask it now, and how many requests it is given at once.

Shared by all calls of a process. It sees failures and successes, never requests; time is an argument, in seconds of a
monotonic clock.

Two rules. An engine that failed is left alone, longer with every failure in a row; what it says itself about when it
wants to be asked again counts before that. Then one request tries it, and the others wait for how that goes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from random import random

from pipelines.errors import KeyRefused, StageError

FIRST_BENCH_S = 1.0
LONGEST_BENCH_S = 60.0
REFUSED_BENCH_S = 300.0  # a key that is not accepted: somebody has to change it
JITTER = 0.25  # so that the processes of a fleet do not come back together


class Health:
    """One engine's. `most_at_once`: requests that it is given at the same time, 0: any number."""

    __slots__ = ("_benched_at_s", "_failures", "_promised", "_random", "_slots", "_tried", "complained", "returns_s")

    def __init__(self, most_at_once: int = 0, random: Callable[[], float] = random) -> None:
        """`random`: 0…1, evenly distributed."""
        self._random = random
        self._slots = asyncio.Semaphore(most_at_once) if most_at_once else None
        self._failures = 0  # in a row
        self._benched_at_s = -math.inf
        self._promised = False  # it said itself until when it is not to be asked
        self._tried = False  # one request finds out whether it works again
        self.returns_s = -math.inf  # then it may be asked again
        self.complained = False  # somebody was told that its key is refused

    # --- may it be asked? ---------------------------------------------------------------------------

    def benched(self, now_s: float) -> bool:
        """It failed lately, or somebody is finding out whether it still does."""
        return now_s < self.returns_s or self._tried

    def promised_s(self, now_s: float) -> float:
        """How long it still does not want to be asked, by its own words; 0 when it said nothing of the kind."""
        return max(self.returns_s - now_s, 0.0) if self._promised else 0.0

    @property
    def limited(self) -> bool:
        """There are only so many requests at once; `enter` may have to wait."""
        return self._slots is not None

    @property
    def busy(self) -> bool:
        return self._slots is not None and self._slots.locked()

    async def enter(self) -> None:
        """Take one of the places there are at once; `leave` follows."""
        if self._slots is not None:
            await self._slots.acquire()

    def leave(self) -> None:
        if self._slots is not None:
            self._slots.release()

    def asked(self) -> bool:
        """A request begins. True: it is the one that tries the engine after a failure, `settled` is to follow."""
        if not self._failures or self._tried:
            return False
        self._tried = True
        return True

    def settled(self) -> None:
        """The request that tried it is over, however."""
        self._tried = False

    # --- how it went --------------------------------------------------------------------------------

    def worked(self, now_s: float) -> None:
        """A request was answered. What the engine has promised about itself outlasts that: it is another's answer."""
        if self.promised_s(now_s):
            return
        self._failures = 0
        self._promised = self.complained = False
        self.returns_s = -math.inf

    def failed(self, error: StageError, asked_s: float, now_s: float) -> float | None:
        """For how long it is benched from now on; None when it was already, for the same incident."""
        same = asked_s < self._benched_at_s
        if error.retry_after_s is not None:
            self._promised = True
            return self._bench(error.retry_after_s, now_s, known=same)
        if same:
            return None
        if isinstance(error, KeyRefused):
            return self._bench(REFUSED_BENCH_S, now_s)
        return self._bench(self._pause_s(self._failures + 1), now_s)

    def lost(self, asked_s: float, now_s: float) -> float | None:
        """Another engine was faster although it was asked later. Once, that happens; in a row it is a failure."""
        if asked_s < self._benched_at_s:
            return None
        if not self._failures:
            self._failures = 1
            return None
        return self._bench(self._pause_s(self._failures), now_s)

    def _pause_s(self, failures: int) -> float:
        pause_s = FIRST_BENCH_S * 2.0 ** min(failures - 1, 16)
        return min(pause_s, LONGEST_BENCH_S) * (1.0 + JITTER * self._random())

    def _bench(self, seconds: float, now_s: float, *, known: bool = False) -> float | None:
        self._failures += not known
        self._benched_at_s = now_s
        self.returns_s = max(self.returns_s, now_s + seconds)
        return None if known else seconds

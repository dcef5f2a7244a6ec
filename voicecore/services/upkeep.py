"""Lets the database see once an hour how much it holds by now: one that began empty would go on as if it were."""

from __future__ import annotations

import time
from collections.abc import Callable

from voicecore.storage.database import Database

EVERY_S = 3600.0


class Upkeep:
    """A chore of every process. The database has seen itself when it was opened."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._due_s = clock() + EVERY_S

    async def step(self) -> bool:
        """Also takes notice of what others wrote. Whether the hour was over."""
        await self._database.look_around()
        if self._clock() < self._due_s:
            return False
        self._due_s = self._clock() + EVERY_S
        await self._database.learn()
        return True

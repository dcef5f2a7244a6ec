"""The same request, the same answer: told again while nothing that it was made of has changed, so that a dashboard that
asks over and over costs little beside the calls."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

import msgspec

from voicecore.storage.database import Database
from voicecore.storage.watch import Watch, watching

MOST_BYTES = 16 * 1024 * 1024  # of all answers
LONGEST = 512 * 1024  # bytes of one
LASTS_S = 1.0  # at most, for what is told may depend on the time


class Told(msgspec.Struct, frozen=True):
    body: bytes
    tables: frozenset[str]
    as_of: int
    until_s: float


class Retelling:
    """Knows as much as the database's memory does, and no longer: at most a second where this is the only server on
    a SQLite file, nothing where others write too."""

    def __init__(self, database: Database) -> None:
        self._memory = database.memory
        self._told: OrderedDict[Hashable, Told] = OrderedDict()
        self._bytes = 0
        self._making: dict[Hashable, asyncio.Future[None]] = {}

    async def told(self, request: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What was told before, or else is made now. `request` is everything that could make it another answer, who
        asks included. Raises what `make` does."""
        body = self._known(request)
        if body is None and (others := self._making.get(request)) is not None:
            await asyncio.wait([others])  # who began it may have failed, or what it was made of changed since
            body = self._known(request)
        return await self._made(request, make) if body is None else body

    async def _made(self, request: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._memory.alone:  # else nothing would be known when it is done
            self._making[request] = done
        try:
            with watching(self._memory.moment) as made_of:
                body = await make()
            self._keep(request, body, made_of)
            return body
        finally:
            done.set_result(None)
            if self._making.get(request) is done:
                del self._making[request]

    def _known(self, request: Hashable) -> bytes | None:
        told = self._told.get(request)
        if told is None:
            return None
        if self._memory.clock() >= told.until_s or not self._memory.unchanged(told.tables, told.as_of):
            self._forget(request)
            return None
        self._told.move_to_end(request)
        return told.body

    def _keep(self, request: Hashable, body: bytes, made_of: Watch) -> None:
        tables = frozenset(made_of.tables)
        if not made_of.followed or len(body) > LONGEST or not self._memory.unchanged(tables, made_of.as_of):
            return
        self._forget(request)
        # Also sums over old calls, which are known for long: from when to when may follow from the time.
        until_s = min(made_of.until_s, self._memory.clock() + LASTS_S)
        self._told[request] = Told(body, tables, made_of.as_of, until_s)
        self._bytes += len(body)
        while self._bytes > MOST_BYTES:
            self._forget(next(iter(self._told)))

    def _forget(self, request: Hashable) -> None:
        told = self._told.pop(request, None)
        if told is not None:
            self._bytes -= len(told.body)

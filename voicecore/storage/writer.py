"""The one task that writes what calls report, so that no call ever waits for the disk.

One queue in the order of arrival, one transaction per batch over all calls. Events are dropped, and
counted, when `capacity` facts wait; openings, turns, recordings and ends are always taken. A batch that
fails because the database is busy or gone is tried again until it succeeds; a fact that can never be stored
is logged, counted and left out, so that it does not hold up the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.events import EventKind
from voicecore.domain.calls import Call, Direction, Recording, StoredEvent, StoredTurn
from voicecore.domain.webhooks import Fact as Announced
from voicecore.storage import calls as rows
from voicecore.storage import outbox, records
from voicecore.storage.database import Database
from voicecore.storage.schema import call_events, calls, recordings, turns

CAPACITY = 20_000
BATCH = 500
LINGER_S = 0.05  # events alone wait this long for company
# From one batch to the next while many calls report, for a transaction costs more than what is in it: the more facts
# there were, the longer.
PACE_S = (0.1, 0.25)
PACE_PER_FACT_S = 0.01
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)

log = structlog.get_logger(__name__)


class CallOpened(msgspec.Struct, frozen=True):
    call: Call


class CallChanged(msgspec.Struct, frozen=True):
    call_uid: str
    changes: dict[str, Any]


class TurnFinished(msgspec.Struct, frozen=True):
    turn: StoredTurn


class EventHappened(msgspec.Struct, frozen=True):
    event: StoredEvent


class CallRecorded(msgspec.Struct, frozen=True):
    recording: Recording


Fact = CallOpened | CallChanged | TurnFinished | EventHappened | CallRecorded


class Writer:
    """`put` is synchronous and safe on the hot path. Start and stop it once."""

    def __init__(self, database: Database, *, capacity: int = CAPACITY) -> None:
        self._database = database
        self._capacity = capacity
        self._waiting: deque[Fact] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._linger: asyncio.TimerHandle | None = None
        self._hurry = asyncio.Event()  # somebody waits for what was put
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self.dropped_events = 0
        self.refused_facts = 0
        self.batches = 0
        self.retries = 0

    @property
    def depth(self) -> int:
        """Facts that wait."""
        return len(self._waiting)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="storage-writer")

    def put(self, fact: Fact) -> None:
        """Never blocks and never raises."""
        if isinstance(fact, EventHappened):
            if len(self._waiting) >= self._capacity:
                self.dropped_events += 1
                return
            self._waiting.append(fact)
            if self._linger is None and not self._wake.is_set():
                self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._wake.set)
        else:
            self._waiting.append(fact)
            self._wake.set()
        self._idle.clear()

    async def flush(self) -> None:
        """Returns when everything put so far is durable."""
        self._hurry.set()
        self._wake.set()
        await self._idle.wait()

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Write what waits, then end. What cannot be written within the timeout is logged as lost."""
        if self._task is None:
            return
        self._stopping = True
        self._hurry.set()
        self._wake.set()
        done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
        if not done:
            log.error("writer_gave_up", lost=len(self._waiting))
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._task = None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._linger is not None:
                self._linger.cancel()
                self._linger = None
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                await self._store(batch)
                if len(self._waiting) < BATCH:
                    await self._pause(len(batch))
            self._idle.set()
            if self._stopping:
                return
            self._hurry.clear()

    async def _pause(self, stored: int) -> None:
        """Let facts gather, unless somebody waits for them."""
        shortest_s, longest_s = PACE_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(shortest_s, stored * PACE_PER_FACT_S), longest_s)):
                await self._hurry.wait()

    async def _store(self, batch: list[Fact]) -> None:
        attempt = 0
        while True:
            try:
                async with self._database.append() as connection:
                    await apply(connection, batch)
                self.batches += 1
                return
            except (OperationalError, OSError) as error:
                wait_s = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                attempt += 1
                self.retries += 1
                log.warning("writer_retries", reason=str(getattr(error, "orig", error)), wait_s=wait_s)
                await asyncio.sleep(wait_s)
            except (DBAPIError, sa.exc.StatementError, msgspec.MsgspecError, ValueError, TypeError) as error:
                if len(batch) == 1:
                    self.refused_facts += 1
                    reason = "constraint" if isinstance(error, IntegrityError) else type(error).__name__
                    log.error("fact_refused", fact=type(batch[0]).__name__, reason=reason)
                    return
                for fact in batch:
                    await self._store([fact])
                return


async def apply(connection: AsyncConnection, batch: list[Fact]) -> None:
    """Store facts so that references hold: calls, then what hangs on them, then their changes."""
    opened = [rows.call_row(fact.call) for fact in batch if isinstance(fact, CallOpened)]
    await rows.insert_many(connection, calls, opened)
    for fact in batch:
        if isinstance(fact, CallOpened) and fact.call.direction is Direction.INBOUND:
            call = fact.call
            await outbox.announce(connection, call.organization_uid, Announced.CALL_STARTED, call.external_id)
    finished = [rows.turn_row(fact.turn) for fact in batch if isinstance(fact, TurnFinished)]
    await rows.insert_many(connection, turns, finished)
    happened = [records.columns_of(call_events, fact.event) for fact in batch if isinstance(fact, EventHappened)]
    await rows.insert_many(connection, call_events, happened)
    for fact in batch:
        if isinstance(fact, EventHappened) and fact.event.kind == EventKind.STAGE_FAILED:
            await outbox.announce_of_call(connection, fact.event.call_uid, Announced.AGENT_ERROR, fact.event.data)
    made = [records.columns_of(recordings, fact.recording) for fact in batch if isinstance(fact, CallRecorded)]
    await rows.insert_many(connection, recordings, made)
    for fact in batch:
        if isinstance(fact, CallChanged):
            await rows.update_call(connection, fact.call_uid, fact.changes)

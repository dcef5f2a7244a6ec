"""Organizations' vectors as the database has them, remembered: what is kept is read again only where it changed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import structlog

from voicecore.services.vectors import Addition, Collection
from voicecore.storage import embeddings as rows
from voicecore.storage.database import Database
from voicecore.storage.embeddings import Extent

PIECE = 500  # vectors that are read at once
KEPT_BYTES = 256 << 20  # of vectors, of the organizations that were asked last

log = structlog.get_logger(__name__)


class VectorShelves:
    """Of one model. To be closed."""

    def __init__(self, database: Database, model: str) -> None:
        self._database = database
        self._model = model
        self._collections: OrderedDict[str, Collection] = OrderedDict()
        self._loads: dict[str, asyncio.Task[Collection]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def close(self) -> None:
        for loading in (loads := list(self._loads.values())):
            loading.cancel()
        await asyncio.gather(*loads, return_exceptions=True)

    async def collection(self, organization_uid: str, width: int, until_s: float) -> Collection | None:
        """As the database has it now. None: so much is read only after a start, and goes on without the question."""
        loading = self._loads.get(organization_uid)
        if loading is None:
            loading = asyncio.create_task(self._loaded(organization_uid, width), name="vectors")
            self._loads[organization_uid] = loading
            loading.add_done_callback(lambda done: self._over(organization_uid, done))
        await asyncio.wait([loading], timeout=max(until_s - time.monotonic(), 0.0))
        return loading.result() if loading.done() else None

    async def _loaded(self, organization_uid: str, width: int) -> Collection:
        """Only what came since the last time is read, and where some are gone, all."""
        empty = Collection(Extent(0, 0), width)
        kept = self._collections.get(organization_uid, empty)
        kept = kept if kept.width == width else empty
        if kept.extent == await self._extent(organization_uid):
            return kept
        async with self._one_at_a_time:
            kept = await self._grown(kept, organization_uid)
            if kept.extent != await self._extent(organization_uid):
                kept = await self._grown(empty, organization_uid)
        self._collections[organization_uid] = kept
        self._collections.move_to_end(organization_uid)
        while len(self._collections) > 1 and sum(one.bytes for one in self._collections.values()) > KEPT_BYTES:
            self._collections.popitem(last=False)
        return kept

    async def _extent(self, organization_uid: str) -> Extent:
        async with self._database.read() as connection:
            return await rows.extent(connection, organization_uid, self._model)

    async def _grown(self, kept: Collection, organization_uid: str) -> Collection:
        """In small pieces, between which calls go on."""
        added, after = Addition(kept), kept.extent.newest
        while True:
            async with self._database.read() as connection:
                piece = await rows.vectors(connection, organization_uid, self._model, after, PIECE)
            if not piece:
                return await asyncio.to_thread(added.done)
            added.take(piece)
            after = piece[-1][0]

    def _over(self, organization_uid: str, loading: asyncio.Task[Collection]) -> None:
        del self._loads[organization_uid]
        if not loading.cancelled() and (error := loading.exception()) is not None:
            log.error("vectors_not_read", exc_info=error)

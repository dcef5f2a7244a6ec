"""Which call somebody means who wants to read along: by the carrier's sid, or by its id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pipelines.errors import ConflictError, NotFound
from voicecore.domain.calls import CallStatus
from voicecore.storage import dials
from voicecore.storage.database import Database


class Overhearing:
    """`flush`: what calls have reported so far is in the database then."""

    def __init__(self, database: Database, flush: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._flush = flush

    async def call_of(self, organization_uid: str, name: str) -> str:
        """The id of the call that goes by this name and is not over; "" when nobody's does. Raises NotFound for
        another organization's, ConflictError for an id of a call that is over."""
        await self._flush()
        async with self._database.read() as connection:
            found = await dials.known_as(connection, organization_uid, name)
            if found is not None and found.status is not CallStatus.ENDED:
                return found.external_id
            if await dials.taken_elsewhere(connection, organization_uid, name):
                raise NotFound("call not found")
        if found is not None and found.external_id == name:
            raise ConflictError("the call is over")
        return ""  # a sid may be used again: it is the client's own name for a call

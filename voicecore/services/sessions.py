"""Where a user is logged in, and ending that from elsewhere."""

from __future__ import annotations

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.accounts import Principal, Session
from voicecore.domain.paging import Listing, Page
from voicecore.storage import tenants
from voicecore.storage.database import Database

MISSING = "session not found"


class Sessions:
    """Of one user: on every surface, in every organization."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(self, who: Principal, page: Page) -> Listing[Session]:
        """Those that live, newest first."""
        async with self._database.read() as connection:
            return await tenants.living_sessions(connection, who.user_uid, instants.now(), page)

    async def terminate(self, who: Principal, seq: int) -> None:
        """Its tokens are worthless from now on. Raises NotFound, also for somebody else's."""
        async with self._database.write() as connection:
            now = instants.now()
            found = await tenants.living_session(connection, who.user_uid, seq, now)
            if found is None or not await tenants.revoke_session(connection, found.uid, now):
                raise NotFound(MISSING)

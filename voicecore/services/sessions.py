"""Where a user is logged in, ending that from elsewhere, and what happens to a refresh token that is used twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipelines.errors import AuthenticationError, NotFound
from voicecore.domain import instants
from voicecore.domain.accounts import Device, Principal, Session
from voicecore.domain.audit import Deed, Risk
from voicecore.domain.paging import Listing, Page
from voicecore.services.audit import entry
from voicecore.storage import audit, tenants
from voicecore.storage.database import Database

MISSING = "session not found"
AGAIN = timedelta(minutes=10)  # for so long the refresh token before the newest one is taken
REUSED = Deed("session.refresh_token_reused", "session", Risk.HIGH)


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


async def renewed(database: Database, session: Session, renewals: int, device: Device) -> Session:
    """The session after the refresh token with this number was exchanged. The one before it is taken for a while, too:
    a client may not have got the answer, or have asked twice at once. An older one is a copy in somebody else's hands,
    so that the session ends (RFC 9700 §4.14.2). Raises AuthenticationError."""
    now = instants.now()
    async with database.write() as connection:
        await tenants.renew_session(connection, session.uid, renewals, now)
        found = await tenants.session(connection, session.uid)
        if found is not None and found.alive(now) and _taken(found, renewals, now):
            return found
        if await tenants.revoke_session(connection, session.uid, now):
            deed = entry(session.organization_uid, session.user_uid, session.surface, device, REUSED)
            await audit.add(connection, deed)
    raise AuthenticationError("invalid or expired token")


def _taken(session: Session, renewals: int, now: datetime) -> bool:
    return session.renewals == renewals + 1 and session.renewed_at is not None and now - session.renewed_at < AGAIN

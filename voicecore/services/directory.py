"""What a company consists of, for clients that name it by numbers: branches, staff, services, and everything else that
has a number."""

from __future__ import annotations

from voicecore.domain.accounts import Business
from voicecore.domain.calendar import Resource, Service
from voicecore.domain.counted import Counted
from voicecore.storage import calendar, tenants
from voicecore.storage.database import Database
from voicecore.storage.numbers import uid_of


class Directory:
    """None: there is no such thing, or it is another organization's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def uid(self, organization_uid: str, kind: Counted, seq: int) -> str | None:
        async with self._database.read() as connection:
            return await uid_of(connection, organization_uid, kind, seq)

    async def branch(self, organization_uid: str, seq: int) -> Business | None:
        async with self._database.read() as connection:
            uid = await uid_of(connection, organization_uid, Counted.BRANCH, seq)
            return None if uid is None else await tenants.business(connection, organization_uid, uid)

    async def staff_member(self, organization_uid: str, seq: int) -> Resource | None:
        """Also one who does not work there any more."""
        async with self._database.read() as connection:
            return await calendar.resource_with_seq(connection, organization_uid, seq)

    async def service(self, organization_uid: str, seq: int) -> Service | None:
        async with self._database.read() as connection:
            return await calendar.service_with_seq(connection, organization_uid, seq)

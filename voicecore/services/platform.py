"""What administrators of the server see: figures and users of all organizations. Routes ask for that permission."""

from __future__ import annotations

import msgspec

from voicecore.domain.accounts import User
from voicecore.domain.paging import Page
from voicecore.storage import platform as rows
from voicecore.storage.database import Database


class PlatformFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`active_users`: those who may log in."""

    users: int
    active_users: int
    calls: int


class Platform:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def figures(self) -> PlatformFigures:
        async with self._database.read() as connection:
            users, active, calls = await rows.figures(connection)
        return PlatformFigures(users=users, active_users=active, calls=calls)

    async def users(self, page: Page) -> list[User]:
        """Oldest first."""
        async with self._database.read() as connection:
            return await rows.users_of_everybody(connection, page)

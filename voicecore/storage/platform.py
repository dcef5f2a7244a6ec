"""Rows over all organizations, for administrators of the server only."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.accounts import User
from voicecore.domain.paging import Page
from voicecore.storage import records
from voicecore.storage.schema import calls, users


async def figures(connection: AsyncConnection) -> tuple[int, int, int]:
    """How many users, active users, and calls."""
    return (
        await records.count(connection, users, []),
        await records.count(connection, users, [users.c.active]),
        await records.count(connection, calls, []),
    )


async def users_of_everybody(connection: AsyncConnection, page: Page) -> list[User]:
    """Oldest first."""
    query = sa.select(users).order_by(users.c.seq).offset(page.offset).limit(page.count)
    return await records.every(connection, User, query)

"""From the integer by which some clients name a row to its uid, within one organization."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.counted import Counted
from voicecore.storage.schema import metadata


async def uid_of(connection: AsyncConnection, organization_uid: str, kind: Counted, seq: int) -> str | None:
    table = metadata.tables[kind.value]
    query = sa.select(table.c.uid).where(table.c.organization_uid == organization_uid, table.c.seq == seq)
    return (await connection.execute(query)).scalar()

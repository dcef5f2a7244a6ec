"""Rows that a seed file asks for: made, corrected or left alone, under the keys that clients know."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import instants
from voicecore.domain.ids import new_uid
from voicecore.storage import records
from voicecore.storage.records import Change
from voicecore.storage.schema import metadata, opening_hours


class Provisioner:
    """One transaction's work. `changes` lists (table, what was done) in order."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.changes: list[tuple[str, Change]] = []

    async def put(self, table: str, key: dict[str, Any], values: dict[str, Any], **defaults: Any) -> tuple[str, Change]:
        """The uid of the row that `key` finds, carrying `values`. `defaults` are for a new row only."""
        target = metadata.tables[table]
        new: dict[str, Any] = {"uid": new_uid(), **defaults}
        if "created_at" in target.c and "created_at" not in values:
            new.setdefault("created_at", instants.now())
        stamp = {"updated_at": instants.now()} if "updated_at" in target.c else None
        uid, change = await records.put(self.connection, target, key, values, new=new, stamp=stamp)
        self.changes.append((table, change))
        return uid, change

    async def uid(self, table: str, organization_uid: str, external_id: str) -> str | None:
        target = metadata.tables[table]
        query = sa.select(target.c.uid).where(
            target.c.organization_uid == organization_uid, target.c.external_id == external_id
        )
        return (await self.connection.execute(query)).scalar()

    async def business_of(self, table: str, uid: str) -> str:
        target = metadata.tables[table]
        query = sa.select(target.c.business_uid).where(target.c.uid == uid)
        return str((await self.connection.execute(query)).scalar_one())

    async def opening_hours(self, organization_uid: str, business_uid: str, spans: list[tuple[int, int, int]]) -> None:
        """Exactly these (weekday, opens, closes), in minutes since midnight; none leaves what is there."""
        column = opening_hours.c
        query = sa.select(column.weekday, column.opens, column.closes).where(column.business_uid == business_uid)
        there = {(row.weekday, row.opens, row.closes) for row in (await self.connection.execute(query)).all()}
        if not spans or there == set(spans):
            return
        await self.connection.execute(sa.delete(opening_hours).where(column.business_uid == business_uid))
        for weekday, opens, closes in sorted(spans):
            row = {"weekday": weekday, "opens": opens, "closes": closes, "uid": new_uid()}
            await self.connection.execute(
                sa.insert(opening_hours).values(**row, organization_uid=organization_uid, business_uid=business_uid)
            )
        self.changes.append(("opening_hours", Change.UPDATED if there else Change.CREATED))

    async def drop_turns_from(self, call_uid: str, count: int) -> None:
        """Turns that a shortened list does not have any more."""
        turns = metadata.tables["turns"]
        await self.connection.execute(sa.delete(turns).where(turns.c.call_uid == call_uid, turns.c.index >= count))

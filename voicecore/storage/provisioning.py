"""Rows that a seed file asks for: made, corrected or left alone, under the keys that clients know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import instants
from voicecore.domain.ids import new_uid
from voicecore.storage import records
from voicecore.storage.records import Change
from voicecore.storage.schema import call_keywords, metadata, opening_hours, services


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

    async def service(self, business_uid: str, name: str) -> tuple[str | None, float | None]:
        """The uid and price of the service of that name."""
        column = services.c
        query = sa.select(column.uid, column.price, column.name).where(column.business_uid == business_uid)
        rows = (await self.connection.execute(query.order_by(column.seq))).all()
        found = [row for row in rows if row.name.casefold() == name.casefold()]
        return (found[0].uid, found[0].price) if found else (None, None)

    async def keywords(
        self, organization_uid: str, call_uid: str, rows: list[dict[str, Any]], detected_at: datetime
    ) -> None:
        """Exactly these (keyword, sentiment, score), in this order."""
        column = call_keywords.c
        query = sa.select(column.keyword, column.sentiment, column.score).where(column.call_uid == call_uid)
        there = [dict(row._mapping) for row in (await self.connection.execute(query.order_by(column.seq))).all()]
        if there == rows:
            return
        await self.connection.execute(sa.delete(call_keywords).where(column.call_uid == call_uid))
        common = {"organization_uid": organization_uid, "call_uid": call_uid, "detected_at": detected_at}
        if rows:
            await self.connection.execute(sa.insert(call_keywords), [row | common for row in rows])
        self.changes.append(("call_keywords", Change.UPDATED if there else Change.CREATED))

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

"""Rows that wait to be sent: claimed by one process at a time, settled, tried again. Knows no table by name."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.webhooks import DeliveryState
from voicecore.storage import records

J = TypeVar("J", bound=msgspec.Struct)


class Queue(Generic[J]):
    """A table with `uid`, `organization_uid`, `external_id`, `state`, `attempts` and `next_at`, whose rows are `kind`.
    `progress` names the columns that an attempt changes."""

    def __init__(self, table: sa.Table, kind: type[J], progress: tuple[str, ...]) -> None:
        self._table = table
        self._kind = kind
        self._progress = progress

    async def any_due(self, connection: AsyncConnection, at: datetime) -> bool:
        """Asked every second: no write transaction for nothing."""
        query = sa.select(self._table.c.seq).where(self._table.c.next_at <= at).limit(1)
        return (await connection.execute(query)).first() is not None

    async def claim(self, connection: AsyncConnection, at: datetime, until: datetime, most: int) -> list[J]:
        """What is due, for the caller alone until then: if he dies, it is due again."""
        column = self._table.c
        query = sa.select(self._table).where(column.next_at <= at).order_by(column.next_at, column.seq).limit(most)
        mine: list[J] = []
        for row in (await connection.execute(query)).all():
            statement = sa.update(self._table).where(column.uid == row.uid, column.next_at == row.next_at)
            if (await connection.execute(statement.values(next_at=until))).rowcount == 1:
                mine.append(records.load(self._kind, row))
        return mine

    async def settle(self, connection: AsyncConnection, uid: str, job: J) -> None:
        """How an attempt went."""
        values = records.columns_of(self._table, job)
        statement = sa.update(self._table).where(self._table.c.uid == uid)
        await connection.execute(statement.values({name: values[name] for name in self._progress}))

    async def again(
        self, connection: AsyncConnection, organization_uid: str, external_id: str, at: datetime
    ) -> J | None:
        """Due at once, whatever its state was."""
        own = (self._table.c.organization_uid == organization_uid, self._table.c.external_id == external_id)
        await connection.execute(
            sa.update(self._table).where(*own).values(state=DeliveryState.PENDING.value, attempts=0, next_at=at)
        )
        return await records.first(connection, self._kind, sa.select(self._table).where(*own))

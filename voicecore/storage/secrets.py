"""Rows of keys: names in the clear, values encrypted. It has no key to them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.secrets import StoredSecret
from voicecore.storage import records
from voicecore.storage.schema import organizations, secrets


def _of(organization_uid: str | None) -> sa.ColumnElement[bool]:
    column = secrets.c.organization_uid
    return column.is_(None) if organization_uid is None else column == organization_uid


async def find(connection: AsyncConnection, organization_uid: str, name: str) -> StoredSecret | None:
    """The organization's own, else everybody's."""
    own_first = secrets.c.organization_uid.is_(None)
    query = _selected().where(
        sa.or_(_of(None), _of(organization_uid or None)),
        secrets.c.name == name,
    )
    return await records.first(connection, StoredSecret, query.order_by(own_first))


async def everyone(connection: AsyncConnection) -> list[StoredSecret]:
    return await records.every(connection, StoredSecret, _selected().order_by(secrets.c.name, secrets.c.seq))


def _selected() -> sa.Select[tuple[object, ...]]:
    return sa.select(secrets, organizations.c.external_id.label("organization_id")).outerjoin(
        organizations, organizations.c.uid == secrets.c.organization_uid
    )


async def put(connection: AsyncConnection, secret: StoredSecret) -> None:
    """Instead of one of the same name, if there is one."""
    await remove(connection, secret.organization_uid, secret.name)
    await records.insert(connection, secrets, secret)


async def remove(connection: AsyncConnection, organization_uid: str | None, name: str) -> bool:
    result = await connection.execute(sa.delete(secrets).where(_of(organization_uid), secrets.c.name == name))
    return bool(result.rowcount)


async def replace_ciphertext(connection: AsyncConnection, uid: str, ciphertext: str) -> None:
    await connection.execute(sa.update(secrets).where(secrets.c.uid == uid).values(ciphertext=ciphertext))

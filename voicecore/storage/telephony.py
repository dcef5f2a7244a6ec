"""Rows of telephony providers."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.paging import Listing, Page
from voicecore.domain.telephony import TelephonyProvider
from voicecore.storage import records
from voicecore.storage.schema import telephony_providers as providers


async def add(connection: AsyncConnection, provider: TelephonyProvider) -> None:
    await records.insert(connection, providers, provider)


async def listing(connection: AsyncConnection, organization_uid: str, page: Page) -> Listing[TelephonyProvider]:
    """Oldest first."""
    own = [providers.c.organization_uid == organization_uid]
    query = sa.select(providers).where(*own).order_by(providers.c.seq).offset(page.offset).limit(page.count)
    rows = await records.every(connection, TelephonyProvider, query)
    return Listing(rows, await records.count(connection, providers, own))


async def with_seq(connection: AsyncConnection, organization_uid: str, seq: int) -> TelephonyProvider | None:
    query = sa.select(providers).where(providers.c.organization_uid == organization_uid, providers.c.seq == seq)
    return await records.first(connection, TelephonyProvider, query)


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> TelephonyProvider | None:
    query = sa.select(providers).where(
        providers.c.organization_uid == organization_uid, providers.c.external_id == external_id
    )
    return await records.first(connection, TelephonyProvider, query)


async def sealed(connection: AsyncConnection) -> list[tuple[str, str]]:
    """(uid, sealed password) of all that have one."""
    query = sa.select(providers.c.uid, providers.c.sealed_password).where(providers.c.sealed_password != "")
    return [(row.uid, row.sealed_password) for row in (await connection.execute(query)).all()]


async def reseal(connection: AsyncConnection, uid: str, sealed_password: str) -> None:
    statement = sa.update(providers).where(providers.c.uid == uid)
    await connection.execute(statement.values(sealed_password=sealed_password))

"""Rows of interactions."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.interactions import Interaction
from voicecore.storage import records
from voicecore.storage.schema import customers, interactions


async def add(connection: AsyncConnection, interaction: Interaction) -> None:
    await records.insert(connection, interactions, interaction)


async def of_customer(connection: AsyncConnection, customer_uid: str, *, most: int | None = None) -> list[Interaction]:
    """Newest first."""
    query = (
        sa.select(interactions, customers.c.external_id.label("customer_id"))
        .join(customers, customers.c.uid == interactions.c.customer_uid)
        .where(interactions.c.customer_uid == customer_uid)
        .order_by(interactions.c.created_at.desc(), interactions.c.seq.desc())
    )
    return await records.every(connection, Interaction, query.limit(most))


async def count_of_customer(connection: AsyncConnection, customer_uid: str) -> int:
    return await records.count(connection, interactions, [interactions.c.customer_uid == customer_uid])

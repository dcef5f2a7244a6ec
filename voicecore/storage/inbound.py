"""Rows of inbound webhooks and of what was posted to them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.paging import Page
from voicecore.domain.workspaces import InboundEvent, InboundWebhook
from voicecore.storage import records
from voicecore.storage.schema import inbound_events as events
from voicecore.storage.schema import inbound_webhooks as webhooks


async def add(connection: AsyncConnection, webhook: InboundWebhook) -> None:
    await records.insert(connection, webhooks, webhook)


async def count(connection: AsyncConnection, organization_uid: str) -> int:
    return await records.count(connection, webhooks, [webhooks.c.organization_uid == organization_uid])


async def of_organization(connection: AsyncConnection, organization_uid: str) -> list[InboundWebhook]:
    """Oldest first."""
    query = sa.select(webhooks).where(webhooks.c.organization_uid == organization_uid).order_by(webhooks.c.seq)
    return await records.every(connection, InboundWebhook, query)


async def find(connection: AsyncConnection, organization_uid: str, uid: str) -> InboundWebhook | None:
    query = sa.select(webhooks).where(webhooks.c.organization_uid == organization_uid, webhooks.c.uid == uid)
    return await records.first(connection, InboundWebhook, query)


async def with_token(connection: AsyncConnection, token: str) -> InboundWebhook | None:
    """Whoever owns it: the token is the proof."""
    return await records.first(connection, InboundWebhook, sa.select(webhooks).where(webhooks.c.token == token))


async def remove(connection: AsyncConnection, organization_uid: str, uid: str) -> bool:
    """With everything that was posted to it."""
    own = (webhooks.c.organization_uid == organization_uid, webhooks.c.uid == uid)
    return bool((await connection.execute(sa.delete(webhooks).where(*own))).rowcount)


async def keep(connection: AsyncConnection, event: InboundEvent, most: int) -> None:
    """And forget the oldest of the same webhook that are beyond `most`."""
    await records.insert(connection, events, event)
    mine = events.c.webhook_uid == event.webhook_uid
    beyond = sa.select(events.c.seq).where(mine).order_by(events.c.seq.desc()).offset(most).limit(1)
    oldest = (await connection.execute(beyond)).scalar()
    if oldest is not None:
        await connection.execute(sa.delete(events).where(mine, events.c.seq <= oldest))


async def received(
    connection: AsyncConnection, organization_uid: str, webhook_uid: str, page: Page
) -> list[InboundEvent]:
    """Newest first."""
    query = sa.select(events).where(events.c.organization_uid == organization_uid, events.c.webhook_uid == webhook_uid)
    query = query.order_by(events.c.seq.desc()).offset(page.offset).limit(page.count)
    return await records.every(connection, InboundEvent, query)


async def sealed(connection: AsyncConnection) -> list[tuple[str, str]]:
    """(uid, sealed secret) of all webhooks."""
    rows = (await connection.execute(sa.select(webhooks.c.uid, webhooks.c.sealed_secret))).all()
    return [(row.uid, row.sealed_secret) for row in rows]


async def reseal(connection: AsyncConnection, uid: str, sealed_secret: str) -> None:
    await connection.execute(sa.update(webhooks).where(webhooks.c.uid == uid).values(sealed_secret=sealed_secret))

"""What an organization keeps for so many days only: taking persons and words out of what is older, so that figures
stay what they are."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.webhooks import DeliveryState
from voicecore.storage.privacy import blank_calls
from voicecore.storage.schema import (
    calls,
    conversations,
    dials,
    inbound_events,
    interactions,
    organizations,
    recordings,
    webhook_deliveries,
)


async def limited(connection: AsyncConnection) -> list[tuple[str, int]]:
    """Organizations that forget, with after how many days."""
    query = sa.select(organizations.c.uid, organizations.c.retention_days)
    rows = (await connection.execute(query.where(organizations.c.retention_days.is_not(None)))).all()
    return [(uid, days) for uid, days in rows]


async def forget_calls(
    connection: AsyncConnection, organization_uid: str, before: datetime, at: datetime, most: int
) -> tuple[int, list[str]]:
    """Blank some ended calls that began before. Their number, and the paths of their recordings, whose files are to be
    removed."""
    overdue = (
        sa.select(calls.c.uid)
        .where(
            calls.c.organization_uid == organization_uid,
            calls.c.created_at < before,
            calls.c.blanked_at.is_(None),
            calls.c.ended_at.is_not(None),
        )
        .limit(most)
        .with_for_update(skip_locked=True)  # another process takes others
    )
    uids = list((await connection.execute(overdue)).scalars())
    if not uids:
        return 0, []
    paths = sa.select(recordings.c.path).where(recordings.c.call_uid.in_(uids))
    tapes = list((await connection.execute(paths)).scalars())
    await connection.execute(sa.delete(recordings).where(recordings.c.call_uid.in_(uids)))
    await blank_calls(connection, organization_uid, uids)
    await connection.execute(
        sa.update(dials).where(dials.c.call_uid.in_(uids)).values(dialled_number="", caller_number="")
    )
    await connection.execute(sa.update(calls).where(calls.c.uid.in_(uids)).values(blanked_at=at))
    return len(uids), tapes


async def forget_words(connection: AsyncConnection, organization_uid: str, before: datetime) -> int:
    """Blank what else was said or sent before. The number of rows that had something in them."""
    talk, contact, sent = conversations.c, interactions.c, webhook_deliveries.c
    statements = (
        sa.update(conversations)
        .where(
            talk.organization_uid == organization_uid,
            talk.updated_at < before,
            (talk.phone != "") | (sa.cast(talk.messages, sa.Text) != "[]"),
        )
        .values(phone="", phone_tail="", last_topic="", messages=[], metadata={}, customer_uid=None),
        sa.update(interactions)
        .where(
            contact.organization_uid == organization_uid,
            contact.created_at < before,
            (contact.notes != "") | (sa.cast(contact.metadata, sa.Text) != "{}"),
        )
        .values(notes="", metadata={}),
        sa.update(webhook_deliveries)
        .where(
            sent.organization_uid == organization_uid,
            sent.created_at < before,
            sent.state != DeliveryState.PENDING.value,
            sa.cast(sent.data, sa.Text) != "{}",
        )
        .values(data={}),
        sa.delete(inbound_events).where(
            inbound_events.c.organization_uid == organization_uid, inbound_events.c.created_at < before
        ),
    )
    return sum([(await connection.execute(statement)).rowcount for statement in statements])

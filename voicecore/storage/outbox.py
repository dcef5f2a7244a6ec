"""Rows of webhook subscriptions and of what is to be delivered to them.

`announce` belongs into the transaction of the fact that it announces: either both are stored or neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import instants
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import Delivery, DeliveryState, Fact, Subscription
from voicecore.storage import records
from voicecore.storage.schema import calls
from voicecore.storage.schema import webhook_deliveries as deliveries
from voicecore.storage.schema import webhook_subscriptions as subscriptions
from voicecore.storage.sending import Queue

queue = Queue(deliveries, Delivery, ("state", "attempts", "next_at", "last_status", "last_error"))


async def announce(
    connection: AsyncConnection,
    organization_uid: str,
    event: Fact,
    subject: str,
    data: dict[str, Any] | None = None,
) -> None:
    """A delivery to each active subscription that wants this."""
    query = sa.select(subscriptions).where(subscriptions.c.organization_uid == organization_uid, subscriptions.c.active)
    now = instants.now()
    for subscription in await records.every(connection, Subscription, query):
        if event not in subscription.events:
            continue
        delivery = Delivery(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=new_external_id("msg"),
            subscription_uid=subscription.uid,
            event=event,
            subject=subject,
            data=data or {},
            occurred_at=now,
            next_at=now,
            created_at=now,
        )
        await records.insert(connection, deliveries, delivery)


async def announce_of_call(
    connection: AsyncConnection, call_uid: str, event: Fact, data: dict[str, Any] | None = None
) -> None:
    query = sa.select(calls.c.organization_uid, calls.c.external_id).where(calls.c.uid == call_uid)
    found = (await connection.execute(query)).first()
    if found is not None:
        await announce(connection, found.organization_uid, event, found.external_id, data)


async def forget_words(
    connection: AsyncConnection, organization_uid: str, subjects: Sequence[str] | sa.Select[tuple[str]]
) -> None:
    """What is told of these besides that it happened."""
    theirs = deliveries.c.organization_uid == organization_uid, deliveries.c.subject.in_(subjects)
    await connection.execute(sa.update(deliveries).where(*theirs).values(data={}))


async def subscribe(connection: AsyncConnection, subscription: Subscription) -> None:
    await records.insert(connection, subscriptions, subscription)


async def subscription(connection: AsyncConnection, uid: str) -> Subscription | None:
    return await records.first(connection, Subscription, sa.select(subscriptions).where(subscriptions.c.uid == uid))


async def of_surface(connection: AsyncConnection, organization_uid: str, surface: str) -> list[Subscription]:
    """Oldest first."""
    own = (subscriptions.c.organization_uid == organization_uid, subscriptions.c.surface == surface)
    query = sa.select(subscriptions).where(*own).order_by(subscriptions.c.seq)
    return await records.every(connection, Subscription, query)


async def count_of_surface(connection: AsyncConnection, organization_uid: str, surface: str) -> int:
    own = [subscriptions.c.organization_uid == organization_uid, subscriptions.c.surface == surface]
    return await records.count(connection, subscriptions, own)


async def unsubscribe(connection: AsyncConnection, organization_uid: str, surface: str, uid: str) -> bool:
    own = (subscriptions.c.organization_uid == organization_uid, subscriptions.c.surface == surface)
    statement = sa.delete(subscriptions).where(*own, subscriptions.c.uid == uid)
    return bool((await connection.execute(statement)).rowcount)


def _told_by(surface: str) -> sa.ColumnElement[bool]:
    """To subscribers of this surface, which alone has words for what they are told."""
    own = sa.select(subscriptions.c.uid).where(subscriptions.c.surface == surface)
    return deliveries.c.subscription_uid.in_(own)


async def is_told_by(connection: AsyncConnection, surface: str, organization_uid: str, external_id: str) -> bool:
    query = sa.select(deliveries.c.seq).where(
        deliveries.c.organization_uid == organization_uid, deliveries.c.external_id == external_id, _told_by(surface)
    )
    return (await connection.execute(query)).first() is not None


async def listing(
    connection: AsyncConnection, organization_uid: str, surface: str, state: DeliveryState | None, page: Page
) -> Listing[Delivery]:
    """Newest first."""
    conditions = [deliveries.c.organization_uid == organization_uid, _told_by(surface)]
    if state is not None:
        conditions.append(deliveries.c.state == state.value)
    query = sa.select(deliveries).where(*conditions).order_by(deliveries.c.seq.desc())
    found = await records.every(connection, Delivery, query.offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, deliveries, conditions))


async def sealed(connection: AsyncConnection) -> list[tuple[str, str]]:
    """(uid, sealed secret) of all subscriptions."""
    rows = (await connection.execute(sa.select(subscriptions.c.uid, subscriptions.c.sealed_secret))).all()
    return [(row.uid, row.sealed_secret) for row in rows]


async def reseal(connection: AsyncConnection, uid: str, sealed_secret: str) -> None:
    statement = sa.update(subscriptions).where(subscriptions.c.uid == uid)
    await connection.execute(statement.values(sealed_secret=sealed_secret))

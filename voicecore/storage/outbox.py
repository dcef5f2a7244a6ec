"""Rows of webhook subscriptions and of what is to be delivered to them.

`announce` belongs into the transaction of the fact that it announces: either both are stored or neither.
"""

from __future__ import annotations

from datetime import datetime
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


async def subscribe(connection: AsyncConnection, subscription: Subscription) -> None:
    await records.insert(connection, subscriptions, subscription)


async def subscription(connection: AsyncConnection, uid: str) -> Subscription | None:
    return await records.first(connection, Subscription, sa.select(subscriptions).where(subscriptions.c.uid == uid))


async def listing(
    connection: AsyncConnection, organization_uid: str, state: DeliveryState | None, page: Page
) -> Listing[Delivery]:
    """Newest first."""
    conditions: list[sa.ColumnElement[bool]] = [deliveries.c.organization_uid == organization_uid]
    if state is not None:
        conditions.append(deliveries.c.state == state.value)
    query = sa.select(deliveries).where(*conditions).order_by(deliveries.c.seq.desc())
    found = await records.every(connection, Delivery, query.offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, deliveries, conditions))


async def claim(connection: AsyncConnection, at: datetime, until: datetime, most: int) -> list[Delivery]:
    """What is due, for the caller alone until then: if he dies, it is due again."""
    query = sa.select(deliveries).where(deliveries.c.next_at <= at).order_by(deliveries.c.next_at).limit(most)
    mine: list[Delivery] = []
    for due in await records.every(connection, Delivery, query):
        statement = sa.update(deliveries).where(deliveries.c.uid == due.uid, deliveries.c.next_at == due.next_at)
        if (await connection.execute(statement.values(next_at=until))).rowcount == 1:
            mine.append(due)
    return mine


async def settle(connection: AsyncConnection, delivery: Delivery) -> None:
    """How an attempt went."""
    values = records.columns_of(deliveries, delivery)
    names = ("state", "attempts", "next_at", "last_status", "last_error")
    statement = sa.update(deliveries).where(deliveries.c.uid == delivery.uid)
    await connection.execute(statement.values({name: values[name] for name in names}))


async def again(connection: AsyncConnection, organization_uid: str, external_id: str, at: datetime) -> Delivery | None:
    """Due at once, whatever its state was."""
    own = (deliveries.c.organization_uid == organization_uid, deliveries.c.external_id == external_id)
    await connection.execute(
        sa.update(deliveries).where(*own).values(state=DeliveryState.PENDING.value, attempts=0, next_at=at)
    )
    return await records.first(connection, Delivery, sa.select(deliveries).where(*own))


async def sealed(connection: AsyncConnection) -> list[tuple[str, str]]:
    """(uid, sealed secret) of all subscriptions."""
    rows = (await connection.execute(sa.select(subscriptions.c.uid, subscriptions.c.sealed_secret))).all()
    return [(row.uid, row.sealed_secret) for row in rows]


async def reseal(connection: AsyncConnection, uid: str, sealed_secret: str) -> None:
    statement = sa.update(subscriptions).where(subscriptions.c.uid == uid)
    await connection.execute(statement.values(sealed_secret=sealed_secret))


async def any_due(connection: AsyncConnection, at: datetime) -> bool:
    """Asked every second: no write transaction for nothing."""
    query = sa.select(deliveries.c.seq).where(deliveries.c.next_at <= at).limit(1)
    return (await connection.execute(query)).first() is not None

"""Rows of customers and call-back requests."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.customers import CallbackRequest, Customer
from voicecore.storage import records
from voicecore.storage.schema import callback_requests, customers


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Customer | None:
    query = sa.select(customers).where(
        customers.c.organization_uid == organization_uid, customers.c.external_id == external_id
    )
    return await records.first(connection, Customer, query)


async def by_uid(connection: AsyncConnection, uid: str) -> Customer | None:
    return await records.first(connection, Customer, sa.select(customers).where(customers.c.uid == uid))


async def with_number(connection: AsyncConnection, organization_uid: str, number: str) -> list[Customer]:
    """Whoever has this number in any spelling, oldest first."""
    tail = phone.tail(number)
    if len(tail) < phone.SHORTEST_LOCAL:
        return []
    query = sa.select(customers).where(customers.c.organization_uid == organization_uid, customers.c.phone_tail == tail)
    found = await records.every(connection, Customer, query.order_by(customers.c.seq))
    return [customer for customer in found if phone.same_number(customer.phone, number)]


async def add(connection: AsyncConnection, customer: Customer) -> None:
    await records.insert(connection, customers, customer, phone_tail=phone.tail(customer.phone))


async def add_callback(connection: AsyncConnection, request: CallbackRequest) -> None:
    await records.insert(connection, callback_requests, request)


async def callbacks(connection: AsyncConnection, organization_uid: str) -> list[CallbackRequest]:
    query = sa.select(callback_requests).where(callback_requests.c.organization_uid == organization_uid)
    return await records.every(connection, CallbackRequest, query.order_by(callback_requests.c.seq.desc()))


async def replace(connection: AsyncConnection, customer: Customer) -> None:
    """Write all of a known customer anew."""
    values = records.columns_of(customers, customer) | {"phone_tail": phone.tail(customer.phone)}
    await connection.execute(sa.update(customers).where(customers.c.uid == customer.uid).values(**values))

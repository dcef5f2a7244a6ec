"""Rows of customers and call-back requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.calls import Call
from voicecore.domain.customers import CallbackRequest, Customer, name_key
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.schema import callback_requests, calls, customers
from voicecore.storage.sums import young


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Customer | None:
    query = sa.select(customers).where(
        customers.c.organization_uid == organization_uid, customers.c.external_id == external_id
    )
    return await records.first(connection, Customer, query)


async def with_seq(connection: AsyncConnection, organization_uid: str, seq: int) -> Customer | None:
    query = sa.select(customers).where(customers.c.organization_uid == organization_uid, customers.c.seq == seq)
    return await records.first(connection, Customer, query)


async def listing(connection: AsyncConnection, organization_uid: str, page: Page) -> Listing[Customer]:
    """Newest first."""
    own = [customers.c.organization_uid == organization_uid]
    query = sa.select(customers).where(*own).order_by(customers.c.seq.desc()).offset(page.offset).limit(page.count)
    rows = await records.every(connection, Customer, query)
    return Listing(rows, await records.count(connection, customers, own))


async def by_uid(connection: AsyncConnection, uid: str) -> Customer | None:
    return await records.first(connection, Customer, sa.select(customers).where(customers.c.uid == uid))


async def with_number(connection: AsyncConnection, organization_uid: str, number: str) -> list[Customer]:
    """Whoever has this number in any spelling: those with a name first, then the oldest."""
    tail = phone.tail(number)
    if len(tail) < phone.SHORTEST_LOCAL:
        return []
    query = sa.select(customers).where(customers.c.organization_uid == organization_uid, customers.c.phone_tail == tail)
    found = await records.every(connection, Customer, query.order_by(customers.c.name == "", customers.c.seq))
    return [customer for customer in found if phone.same_number(customer.phone, number)]


async def find_or_make(
    connection: AsyncConnection, organization_uid: str, number: str, name: str, at: datetime
) -> Customer | None:
    """Whoever has the number; among several the one of that name. None without number and name. A customer without a
    name gets the one that is given."""
    known = await with_number(connection, organization_uid, number)
    if known:
        found = next((c for c in known if name and c.name.casefold() == name.casefold()), known[0])
        if found.name or not name:
            return found
        named = msgspec.structs.replace(found, name=name)
        await replace(connection, named)
        return named
    if not number and not name:
        return None
    customer = Customer(
        uid=new_uid(),
        organization_uid=organization_uid,
        external_id=new_external_id("cust"),
        name=name,
        phone=number,
        phone_digits=phone.digits(number),
        created_at=at,
    )
    await add(connection, customer)
    return customer


async def link_caller(connection: AsyncConnection, call_uid: str) -> None:
    """Say whose call it was. Who was spoken with and is not known becomes a customer, if he has a number."""
    query = sa.select(calls).where(calls.c.uid == call_uid, calls.c.customer_uid.is_(None))
    call = await records.first(connection, Call, query)
    if call is None or len(phone.tail(call.party_number)) < phone.SHORTEST_LOCAL:
        return
    owner, number = call.organization_uid, call.party_number
    if call.answered_at is None and not await with_number(connection, owner, number):
        return
    customer = await find_or_make(connection, owner, number, call.party_name, call.ended_at or call.created_at)
    assert customer is not None  # there is a number
    statement = (
        sa.update(calls)
        .where(calls.c.uid == call_uid)
        .values(customer_uid=customer.uid, party_key=name_key(customer.name or call.party_name))
    )
    await connection.execute(statement.execution_options(**young(call.created_at)))


async def add(connection: AsyncConnection, customer: Customer) -> None:
    await records.insert(connection, customers, customer, **_derived(customer))


def _derived(customer: Customer) -> dict[str, str]:
    return {"phone_tail": phone.tail(customer.phone), "name_key": name_key(customer.name)}


async def add_callback(connection: AsyncConnection, request: CallbackRequest) -> None:
    await records.insert(connection, callback_requests, request)


async def callbacks(connection: AsyncConnection, organization_uid: str) -> list[CallbackRequest]:
    query = sa.select(callback_requests).where(callback_requests.c.organization_uid == organization_uid)
    return await records.every(connection, CallbackRequest, query.order_by(callback_requests.c.seq.desc()))


async def callbacks_of_calls(connection: AsyncConnection, call_uids: Sequence[str]) -> list[CallbackRequest]:
    query = sa.select(callback_requests).where(callback_requests.c.call_uid.in_(call_uids))
    return await records.every(connection, CallbackRequest, query.order_by(callback_requests.c.seq))


async def names(connection: AsyncConnection, uids: Collection[str]) -> dict[str, str]:
    query = sa.select(customers.c.uid, customers.c.name).where(customers.c.uid.in_(uids))
    return {row.uid: row.name for row in (await connection.execute(query)).all()}


async def replace(connection: AsyncConnection, customer: Customer) -> None:
    """Write all of a known customer anew."""
    values = records.columns_of(customers, customer) | _derived(customer)
    await connection.execute(sa.update(customers).where(customers.c.uid == customer.uid).values(**values))
    await renamed(connection, customer.organization_uid, customer.uid, customer.name)


async def renamed(connection: AsyncConnection, organization_uid: str, uid: str, name: str) -> None:
    """His calls are sorted and searched by the name that he has now."""
    column, key = calls.c, name_key(name)
    his = (
        *(column.organization_uid == organization_uid, column.customer_uid == uid),
        *(column.blanked_at.is_(None), column.party_key != key),
    )
    known = (await connection.execute(sa.select(column.seq).where(*his).limit(1))).first()
    if key and known is not None:  # a statement that changes nothing would still be taken for a change
        await connection.execute(sa.update(calls).where(*his).values(party_key=key))

"""Rows of text conversations, and what is known of a customer before one begins."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.calls import Call, CallStatus
from voicecore.domain.conversations import Conversation
from voicecore.domain.customers import Customer
from voicecore.storage import records
from voicecore.storage.schema import agents, calls, conversations


async def add(connection: AsyncConnection, conversation: Conversation) -> None:
    tail = phone.tail(conversation.phone)
    await records.insert(connection, conversations, conversation, phone_tail=tail)


def _with_agent() -> sa.Select[Any]:
    return sa.select(conversations, agents.c.external_id.label("agent_id")).join(
        agents, agents.c.uid == conversations.c.agent_uid
    )


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Conversation | None:
    query = _with_agent().where(
        conversations.c.organization_uid == organization_uid, conversations.c.external_id == external_id
    )
    return await records.first(connection, Conversation, query)


async def go_on(connection: AsyncConnection, conversation: Conversation, since: datetime) -> bool:
    """Store messages and topic; False when somebody else did since it was read."""
    values = records.columns_of(conversations, conversation)
    statement = sa.update(conversations).where(
        conversations.c.uid == conversation.uid, conversations.c.updated_at == since
    )
    done = await connection.execute(
        statement.values({name: values[name] for name in ("messages", "last_topic", "updated_at")})
    )
    return done.rowcount == 1


async def of_person(
    connection: AsyncConnection, organization_uid: str, number: str, customer_uids: list[str]
) -> list[Conversation]:
    """Of a number in any spelling, or of these customers; newest first."""
    tail = phone.tail(number)
    who: list[sa.ColumnElement[bool]] = [conversations.c.customer_uid.in_(customer_uids)]
    if len(tail) >= phone.SHORTEST_LOCAL:
        who.append(conversations.c.phone_tail == tail)
    query = _with_agent().where(conversations.c.organization_uid == organization_uid, sa.or_(*who))
    found = await records.every(connection, Conversation, query.order_by(conversations.c.created_at.desc()))
    return [c for c in found if c.customer_uid in customer_uids or phone.same_number(c.phone, number)]


def _of_number(organization_uid: str, number: str, customer_uid: str | None) -> sa.ColumnElement[bool] | None:
    """Which calls may be meant: the end of a number is not all of it. None: no call is."""
    tail = phone.tail(number)
    column = calls.c
    which: list[sa.ColumnElement[bool]] = []
    if len(tail) >= phone.SHORTEST_LOCAL:
        which += [column.from_tail == tail, column.to_tail == tail]
    if customer_uid is not None:
        which.append(column.customer_uid == customer_uid)
    if not which:
        return None
    # Each from an index of its own; asked as one, with the order, it would be every call that is looked at.
    own = [sa.select(column.seq).where(column.organization_uid == organization_uid, one) for one in which]
    return column.seq.in_(sa.union(*own))


def _meant(call: Any, number: str, customer_uid: str | None) -> bool:
    return (
        (customer_uid is not None and call.customer_uid == customer_uid)
        or phone.same_number(call.from_number, number)
        or phone.same_number(call.to_number, number)
    )


async def calls_of_number(connection: AsyncConnection, organization_uid: str, number: str) -> list[Call]:
    """Calls from or to a number in any spelling; newest first."""
    which = _of_number(organization_uid, number, None)
    if which is None:
        return []
    query = sa.select(calls).where(which).order_by(calls.c.created_at.desc(), calls.c.seq.desc())
    return [call for call in await records.every(connection, Call, query) if _meant(call, number, None)]


async def calls_with(connection: AsyncConnection, customer: Customer) -> list[tuple[datetime, int]]:
    """When they began, and their numbers: of the calls with this customer, whatever the number, and from or to his
    number in any spelling; newest first. Not those that are yet to begin."""
    which = _of_number(customer.organization_uid, customer.phone, customer.uid)
    assert which is not None  # there is a customer
    column = calls.c
    query = sa.select(column.created_at, column.seq, column.from_number, column.to_number, column.customer_uid)
    query = query.where(which, column.status != CallStatus.SCHEDULED.value)
    found = await connection.execute(query.order_by(column.created_at.desc(), column.seq.desc()))
    return [(row.created_at, row.seq) for row in found if _meant(row, customer.phone, customer.uid)]

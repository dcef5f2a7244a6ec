"""Rows of text conversations, and what is known of a customer before one begins."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.calls import Call
from voicecore.domain.conversations import Conversation
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


async def calls_of_number(
    connection: AsyncConnection, organization_uid: str, number: str, customer_uid: str | None = None
) -> list[Call]:
    """Calls from or to a number in any spelling, and those with this customer whatever the number; newest first."""
    tail = phone.tail(number)
    column = calls.c
    which: list[sa.ColumnElement[bool]] = []
    if len(tail) >= phone.SHORTEST_LOCAL:
        which += [column.from_tail == tail, column.to_tail == tail]
    if customer_uid is not None:
        which.append(column.customer_uid == customer_uid)
    if not which:
        return []
    # Each from an index of its own; asked as one, with the order, it would be every call that is looked at.
    own = [sa.select(column.seq).where(column.organization_uid == organization_uid, one) for one in which]
    query = sa.select(calls).where(column.seq.in_(sa.union(*own)))
    found = await records.every(connection, Call, query.order_by(column.created_at.desc(), column.seq.desc()))
    return [
        call
        for call in found
        if (customer_uid is not None and call.customer_uid == customer_uid)
        or phone.same_number(call.from_number, number)
        or phone.same_number(call.to_number, number)
    ]

"""Rows of the lines that are answered: businesses that are open, each with the number that rings there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.accounts import Business, Line
from voicecore.domain.ids import new_uid
from voicecore.storage import records
from voicecore.storage.schema import agents, businesses, phone_numbers


def _lines(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    number = (
        sa.select(phone_numbers.c.number)
        .join(agents, agents.c.uid == phone_numbers.c.agent_uid)
        .where(agents.c.business_uid == businesses.c.uid)
        .order_by(phone_numbers.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    query = sa.select(businesses, sa.func.coalesce(number, businesses.c.phone).label("number"))
    return query.where(businesses.c.closed_at.is_(None), *conditions).order_by(businesses.c.seq)


async def listing(connection: AsyncConnection, organization_uid: str) -> list[Line]:
    """Oldest first."""
    return await records.every(connection, Line, _lines(businesses.c.organization_uid == organization_uid))


async def line(connection: AsyncConnection, organization_uid: str, uid: str) -> Line | None:
    query = _lines(businesses.c.organization_uid == organization_uid, businesses.c.uid == uid)
    return await records.first(connection, Line, query)


async def line_of_anybody(connection: AsyncConnection, uid: str) -> Line | None:
    """Whoever owns it: for whom no tenant is known, and who may only name it."""
    return await records.first(connection, Line, _lines(businesses.c.uid == uid))


async def count(connection: AsyncConnection, organization_uid: str) -> int:
    column = businesses.c
    return await records.count(
        connection, businesses, [column.organization_uid == organization_uid, column.closed_at.is_(None)]
    )


async def add(connection: AsyncConnection, business: Business) -> None:
    await records.insert(connection, businesses, business)


async def change(connection: AsyncConnection, uid: str, changes: dict[str, Any]) -> None:
    await connection.execute(sa.update(businesses).where(businesses.c.uid == uid).values(**changes))


async def holder(connection: AsyncConnection, number: str) -> str | None:
    """The agent that a number rings, in any spelling of it."""
    query = sa.select(phone_numbers.c.agent_uid).where(phone_numbers.c.digits == phone.digits(number))
    return (await connection.execute(query)).scalar()


async def drop_numbers(connection: AsyncConnection, agent_uids: list[str], numbers: list[str] | None = None) -> None:
    """These numbers of the agents; all of them when none are named."""
    query = sa.delete(phone_numbers).where(phone_numbers.c.agent_uid.in_(agent_uids))
    if numbers is not None:
        query = query.where(phone_numbers.c.digits.in_([phone.digits(number) for number in numbers]))
    await connection.execute(query)


async def add_number(
    connection: AsyncConnection, organization_uid: str, agent_uid: str, number: str, at: datetime
) -> None:
    """Raises IntegrityError when it rings elsewhere."""
    row = {"uid": new_uid(), "organization_uid": organization_uid, "agent_uid": agent_uid, "created_at": at}
    await connection.execute(sa.insert(phone_numbers).values(**row, number=number, digits=phone.digits(number)))

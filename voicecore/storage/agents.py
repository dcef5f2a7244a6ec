"""Rows of agents, their versions and the numbers that ring them. Every read names the organization."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.agents import Agent, AgentVersion, PhoneNumber
from voicecore.storage import records
from voicecore.storage.schema import agent_versions, agents, phone_numbers


def _current() -> sa.Select[Any]:
    version = agent_versions.c
    return sa.select(
        agents,
        version.name,
        version.description,
        version.active,
        version.config,
        version.created_at.label("updated_at"),
    ).join(
        agent_versions,
        sa.and_(agent_versions.c.agent_uid == agents.c.uid, agent_versions.c.version == agents.c.version),
    )


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Agent | None:
    query = _current().where(agents.c.organization_uid == organization_uid, agents.c.external_id == external_id)
    return await records.first(connection, Agent, query)


async def everywhere(connection: AsyncConnection, external_id: str) -> list[Agent]:
    """Agents of this id in all organizations, oldest first: routing only, before a tenant is known."""
    query = _current().where(agents.c.external_id == external_id).order_by(agents.c.seq)
    return await records.every(connection, Agent, query)


async def of_organization(connection: AsyncConnection, organization_uid: str) -> list[Agent]:
    query = _current().where(agents.c.organization_uid == organization_uid).order_by(agents.c.seq)
    return await records.every(connection, Agent, query)


async def of_business(connection: AsyncConnection, organization_uid: str, business_uid: str) -> list[Agent]:
    """Oldest first: the first answers where none is named."""
    query = _current().where(agents.c.organization_uid == organization_uid, agents.c.business_uid == business_uid)
    return await records.every(connection, Agent, query.order_by(agents.c.seq))


async def first_active(connection: AsyncConnection) -> Agent | None:
    """The oldest agent of the server that answers: routing of last resort."""
    return await records.first(connection, Agent, _current().where(agent_versions.c.active).order_by(agents.c.seq))


async def active(connection: AsyncConnection, limit: int) -> list[Agent]:
    """The oldest agents of the server that answer."""
    query = _current().where(agent_versions.c.active).order_by(agents.c.seq).limit(limit)
    return await records.every(connection, Agent, query)


async def for_number(connection: AsyncConnection, number: str) -> Agent | None:
    """Who answers the number that was dialled; None when nobody has it."""
    digits = phone.digits(number)
    if not digits:
        return None
    query = _current().join(phone_numbers, phone_numbers.c.agent_uid == agents.c.uid)
    return await records.first(connection, Agent, query.where(phone_numbers.c.digits == digits))


async def number_of(connection: AsyncConnection, agent_uid: str) -> str:
    """The number an agent is reached at, as it was written; "" when it has none."""
    query = sa.select(phone_numbers.c.number).where(phone_numbers.c.agent_uid == agent_uid)
    return (await connection.execute(query.order_by(phone_numbers.c.seq).limit(1))).scalar() or ""


async def numbers(connection: AsyncConnection, organization_uid: str) -> list[PhoneNumber]:
    """Oldest first."""
    query = sa.select(phone_numbers).where(phone_numbers.c.organization_uid == organization_uid)
    return await records.every(connection, PhoneNumber, query.order_by(phone_numbers.c.seq))


async def count_of(connection: AsyncConnection, organization_uid: str) -> int:
    return await records.count(connection, agents, [agents.c.organization_uid == organization_uid])


async def stamp(connection: AsyncConnection, organization_uid: str) -> tuple[int, int]:
    """Changes whenever one of the organization's agents does, in whatever process."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(agent_versions.c.seq), 0))
    query = query.select_from(agents.join(agent_versions, agent_versions.c.agent_uid == agents.c.uid))
    row = (await connection.execute(query.where(agents.c.organization_uid == organization_uid))).one()
    return row[0], row[1]


async def version(
    connection: AsyncConnection, organization_uid: str, external_id: str, number: int
) -> AgentVersion | None:
    query = (
        sa.select(agent_versions)
        .join(agents, agents.c.uid == agent_versions.c.agent_uid)
        .where(
            agents.c.organization_uid == organization_uid,
            agents.c.external_id == external_id,
            agent_versions.c.version == number,
        )
    )
    return await records.first(connection, AgentVersion, query)


async def versions_of(
    connection: AsyncConnection, organization_uid: str, agent_uids: Iterable[str]
) -> dict[tuple[str, int], AgentVersion]:
    """All versions of these agents, by uid and number."""
    query = (
        sa.select(agent_versions)
        .join(agents, agents.c.uid == agent_versions.c.agent_uid)
        .where(agents.c.organization_uid == organization_uid, agents.c.uid.in_(list(agent_uids)))
    )
    found = await records.every(connection, AgentVersion, query)
    return {(version.agent_uid, version.version): version for version in found}


async def add(connection: AsyncConnection, agent: Agent, first: AgentVersion) -> None:
    await records.insert(connection, agents, agent)
    await records.insert(connection, agent_versions, first)


async def add_version(connection: AsyncConnection, new: AgentVersion) -> None:
    await records.insert(connection, agent_versions, new)
    await connection.execute(sa.update(agents).where(agents.c.uid == new.agent_uid).values(version=new.version))


async def assign_business(connection: AsyncConnection, agent_uid: str, business_uid: str) -> None:
    await connection.execute(sa.update(agents).where(agents.c.uid == agent_uid).values(business_uid=business_uid))

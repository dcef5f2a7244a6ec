"""Rows of the members of an organization: those who come and go, and those who are invited."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.accounts import Member, Membership, MemberState, Role, User
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.schema import memberships, organizations, users


def _members(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(
            memberships,
            organizations.c.external_id.label("organization_id"),
            organizations.c.seq.label("organization_seq"),
            users.c.seq.label("user_seq"),
            users.c.email,
            users.c.name,
        )
        .join(users, users.c.uid == memberships.c.user_uid)
        .join(organizations, organizations.c.uid == memberships.c.organization_uid)
        .where(*conditions)
        .order_by(memberships.c.seq)
    )


async def listing(connection: AsyncConnection, organization_uid: str, page: Page) -> Listing[Member]:
    """Oldest first."""
    own = memberships.c.organization_uid == organization_uid
    found = await records.every(connection, Member, _members(own).offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, memberships, [own]))


async def member(connection: AsyncConnection, organization_uid: str, user_seq: int) -> Member | None:
    own = memberships.c.organization_uid == organization_uid
    return await records.first(connection, Member, _members(own, users.c.seq == user_seq))


async def invited(connection: AsyncConnection, invitation_hash: str) -> Member | None:
    waits = memberships.c.state == MemberState.INVITED.value
    return await records.first(connection, Member, _members(memberships.c.invitation_hash == invitation_hash, waits))


async def administrators(connection: AsyncConnection, organization_uid: str) -> list[str]:
    """Memberships of those who may come in."""
    column = memberships.c
    query = sa.select(column.uid, column.roles).where(
        column.organization_uid == organization_uid, column.state == MemberState.ACTIVE.value
    )
    return [row.uid for row in (await connection.execute(query)).all() if Role.ADMIN.value in row.roles]


async def add_user(connection: AsyncConnection, user: User) -> None:
    await records.insert(connection, users, user)


async def add(connection: AsyncConnection, membership: Membership, **derived: Any) -> None:
    """Raises IntegrityError when he is a member already."""
    await records.insert(connection, memberships, membership, **derived)


async def change(connection: AsyncConnection, uid: str, changes: dict[str, Any]) -> None:
    plain = {name: records.plain(value) for name, value in changes.items()}
    await connection.execute(sa.update(memberships).where(memberships.c.uid == uid).values(**plain))


async def accept(connection: AsyncConnection, uid: str) -> bool:
    """False when the invitation was accepted or taken back meanwhile."""
    column = memberships.c
    statement = sa.update(memberships).where(column.uid == uid, column.state == MemberState.INVITED.value)
    values = {"state": MemberState.ACTIVE.value, "invitation_hash": None, "invited_until": None}
    return (await connection.execute(statement.values(**values))).rowcount == 1


async def remove(connection: AsyncConnection, uid: str) -> None:
    await connection.execute(sa.delete(memberships).where(memberships.c.uid == uid))

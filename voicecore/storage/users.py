"""Rows of users in every organization, for the person at the machine: no client's request comes here."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.user_overview import Belonging, UserOverview
from voicecore.storage.schema import memberships, organizations, second_factors, sessions, users


async def everyone(connection: AsyncConnection, email: str | None = None) -> list[UserOverview]:
    """By e-mail address; only the one of that address where it is given."""
    factor = sa.exists().where(second_factors.c.user_uid == users.c.uid, second_factors.c.verified_at.is_not(None))
    whom = [] if email is None else [users.c.email == email]
    belongings = (
        sa.select(memberships, organizations.c.external_id.label("organization_id"))
        .join(organizations, organizations.c.uid == memberships.c.organization_uid)
        .join(users, users.c.uid == memberships.c.user_uid)
        .where(*whom)
        .order_by(memberships.c.seq)
    )
    of_user: dict[str, list[Belonging]] = defaultdict(list)
    for row in (await connection.execute(belongings)).all():
        one = Belonging(row.organization_uid, row.organization_id, tuple(row.roles), row.state)
        of_user[row.user_uid].append(one)
    query = sa.select(users, factor.label("second_factor")).where(*whom).order_by(users.c.email)
    return [
        UserOverview(
            uid=row.uid,
            seq=row.seq,
            email=row.email,
            name=row.name,
            active=row.active,
            platform_admin=row.platform_admin,
            second_factor=row.second_factor,
            belongs_to=tuple(of_user[row.uid]),
        )
        for row in (await connection.execute(query)).all()
    ]


async def set_password(connection: AsyncConnection, uid: str, password_hash: str) -> None:
    await connection.execute(sa.update(users).where(users.c.uid == uid).values(password_hash=password_hash))


async def end_sessions(connection: AsyncConnection, uid: str, at: datetime) -> int:
    """In every organization, on every surface. The number of those that lived."""
    column = sessions.c
    living = sa.update(sessions).where(column.user_uid == uid, column.revoked_at.is_(None), column.expires_at > at)
    return (await connection.execute(living.values(revoked_at=at))).rowcount


async def forget_second_factors(connection: AsyncConnection, uid: str) -> None:
    """With their recovery codes; one that waits to be verified, too."""
    await connection.execute(sa.delete(second_factors).where(second_factors.c.user_uid == uid))

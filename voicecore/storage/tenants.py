"""Rows of organizations, businesses, users, memberships and sessions."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.accounts import Business, Membership, Organization, Session, User
from voicecore.storage import records
from voicecore.storage.schema import businesses, memberships, organizations, sessions, users


async def organization(connection: AsyncConnection, uid: str) -> Organization | None:
    return await records.first(connection, Organization, sa.select(organizations).where(organizations.c.uid == uid))


async def organization_named(connection: AsyncConnection, external_id: str) -> Organization | None:
    query = sa.select(organizations).where(organizations.c.external_id == external_id)
    return await records.first(connection, Organization, query)


async def all_organizations(connection: AsyncConnection) -> list[Organization]:
    """For the operator's own commands; nothing that a client reaches may call it."""
    return await records.every(connection, Organization, sa.select(organizations).order_by(organizations.c.seq))


async def business(connection: AsyncConnection, organization_uid: str, uid: str) -> Business | None:
    query = sa.select(businesses).where(businesses.c.organization_uid == organization_uid, businesses.c.uid == uid)
    return await records.first(connection, Business, query)


async def first_business(connection: AsyncConnection, organization_uid: str) -> Business | None:
    """The one that what names no business belongs to."""
    query = sa.select(businesses).where(
        businesses.c.organization_uid == organization_uid, businesses.c.closed_at.is_(None)
    )
    return await records.first(connection, Business, query.order_by(businesses.c.seq))


async def add_account(
    connection: AsyncConnection, user: User, organization: Organization, membership: Membership
) -> None:
    """Raises IntegrityError when the e-mail address is taken."""
    await records.insert(connection, users, user)
    await records.insert(connection, organizations, organization)
    await records.insert(connection, memberships, membership, created_at=user.created_at)


async def user_by_email(connection: AsyncConnection, email: str) -> User | None:
    return await records.first(connection, User, sa.select(users).where(users.c.email == email))


async def user(connection: AsyncConnection, uid: str) -> User | None:
    return await records.first(connection, User, sa.select(users).where(users.c.uid == uid))


async def memberships_of(connection: AsyncConnection, user_uid: str) -> list[Membership]:
    """Oldest first, with the organization's external id."""
    query = (
        sa.select(memberships, organizations.c.external_id.label("organization_id"))
        .join(organizations, organizations.c.uid == memberships.c.organization_uid)
        .where(memberships.c.user_uid == user_uid)
        .order_by(memberships.c.seq)
    )
    return await records.every(connection, Membership, query)


async def add_session(connection: AsyncConnection, session: Session) -> None:
    await records.insert(connection, sessions, session)


async def session(connection: AsyncConnection, uid: str) -> Session | None:
    return await records.first(connection, Session, sa.select(sessions).where(sessions.c.uid == uid))


async def prolong_session(connection: AsyncConnection, uid: str, expires_at: datetime) -> None:
    await connection.execute(sa.update(sessions).where(sessions.c.uid == uid).values(expires_at=expires_at))


async def revoke_session(connection: AsyncConnection, uid: str, at: datetime) -> None:
    await connection.execute(
        sa.update(sessions).where(sessions.c.uid == uid, sessions.c.revoked_at.is_(None)).values(revoked_at=at)
    )


async def forget_sessions(connection: AsyncConnection, expired_before: datetime) -> None:
    await connection.execute(sa.delete(sessions).where(sessions.c.expires_at < expired_before))

"""Rows of organizations, businesses, users, memberships and sessions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import ConflictError
from voicecore.domain.accounts import Business, Membership, MemberState, Organization, Session, User
from voicecore.domain.ids import new_uid
from voicecore.domain.paging import Listing, Page
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
) -> User:
    """The user as he is stored: who was invited but never came has his row already. Raises IntegrityError or
    ConflictError when the e-mail address is taken."""
    known = await user_by_email(connection, user.email)
    if known is not None and not known.password_hash:
        user = msgspec.structs.replace(user, uid=known.uid, seq=known.seq, created_at=known.created_at)
        if not await admit(connection, user):
            raise ConflictError("e-mail address already registered")
    else:
        await records.insert(connection, users, user)
    await records.insert(connection, organizations, organization)
    membership = msgspec.structs.replace(membership, user_uid=user.uid)
    await records.insert(connection, memberships, membership, created_at=organization.created_at)
    stored = await user_by_email(connection, user.email)
    assert stored is not None  # it was just made
    return stored


async def admit(connection: AsyncConnection, user: User) -> bool:
    """Somebody who was invited gets his name and password. False when he has one meanwhile."""
    statement = sa.update(users).where(users.c.uid == user.uid, users.c.password_hash == "")
    values = {"name": user.name, "password_hash": user.password_hash}
    return (await connection.execute(statement.values(**values))).rowcount == 1


async def add_main_business(connection: AsyncConnection, organization: Organization) -> None:
    """Something to answer for."""
    business = Business(
        uid=new_uid(),
        organization_uid=organization.uid,
        external_id="biz_main",
        name=organization.name,
        timezone=organization.timezone,
        phone=organization.phone,
        created_at=organization.created_at,
    )
    await records.insert(connection, businesses, business)


async def user_by_email(connection: AsyncConnection, email: str) -> User | None:
    return await records.first(connection, User, sa.select(users).where(users.c.email == email))


async def user(connection: AsyncConnection, uid: str) -> User | None:
    return await records.first(connection, User, sa.select(users).where(users.c.uid == uid))


async def memberships_of(connection: AsyncConnection, user_uid: str) -> list[Membership]:
    """Those that he may come in by. Oldest first, with the organization's ids."""
    query = (
        sa.select(
            memberships,
            organizations.c.external_id.label("organization_id"),
            organizations.c.seq.label("organization_seq"),
        )
        .join(organizations, organizations.c.uid == memberships.c.organization_uid)
        .where(memberships.c.user_uid == user_uid, memberships.c.state == MemberState.ACTIVE.value)
        .order_by(memberships.c.seq)
    )
    return await records.every(connection, Membership, query)


_PROOF: dict[str, Iterable[sa.ColumnElement[Any]]] = {
    "session": sessions.c,
    "user": users.c,
    "membership": [
        *memberships.c,
        organizations.c.external_id.label("organization_id"),
        organizations.c.seq.label("organization_seq"),
    ],
}
_PROVEN = (  # made once, for every request asks it
    sa.select(*(column.label(f"{part}.{column.name}") for part, columns in _PROOF.items() for column in columns))
    .select_from(sessions)
    .join(users, users.c.uid == sessions.c.user_uid)
    .join(
        memberships,
        (memberships.c.user_uid == users.c.uid) & (memberships.c.organization_uid == sessions.c.organization_uid),
    )
    .join(organizations, organizations.c.uid == memberships.c.organization_uid)
    .where(sessions.c.uid == sa.bindparam("sid"), memberships.c.state == MemberState.ACTIVE.value)
)


async def proof(connection: AsyncConnection, session_uid: str) -> tuple[Session, User, Membership] | None:
    """A session with whose it is, and his membership there, if he has one that he may come in by."""
    row = (await connection.execute(_PROVEN, {"sid": session_uid})).first()
    if row is None:
        return None
    parts: dict[str, dict[str, Any]] = {part: {} for part in _PROOF}
    for label, value in row._mapping.items():
        part, _, name = str(label).partition(".")
        parts[part][name] = value
    return (
        msgspec.convert(parts["session"], Session),
        msgspec.convert(parts["user"], User),
        msgspec.convert(parts["membership"], Membership),
    )


async def came_from(connection: AsyncConnection, user_uid: str, ip: str) -> bool:
    """Whether the user has had a session from this address."""
    query = sa.select(sessions.c.seq).where(sessions.c.user_uid == user_uid, sessions.c.ip == ip)
    return (await connection.execute(query.limit(1))).first() is not None


async def add_session(connection: AsyncConnection, session: Session) -> None:
    await records.insert(connection, sessions, session)


async def session(connection: AsyncConnection, uid: str) -> Session | None:
    return await records.first(connection, Session, sa.select(sessions).where(sessions.c.uid == uid))


async def prolong_session(connection: AsyncConnection, uid: str, expires_at: datetime) -> None:
    await connection.execute(sa.update(sessions).where(sessions.c.uid == uid).values(expires_at=expires_at))


async def renew_session(connection: AsyncConnection, uid: str, renewals: int, at: datetime) -> bool:
    """Count one renewal of a session that had so many. False: it had more, or it has ended."""
    column = sessions.c
    mine = sa.update(sessions).where(column.uid == uid, column.renewals == renewals, column.revoked_at.is_(None))
    return (await connection.execute(mine.values(renewals=renewals + 1, renewed_at=at))).rowcount == 1


async def see_session(connection: AsyncConnection, uid: str, at: datetime) -> None:
    await connection.execute(sa.update(sessions).where(sessions.c.uid == uid).values(seen_at=at))


async def revoke_session(connection: AsyncConnection, uid: str, at: datetime) -> bool:
    """False when it was revoked before."""
    statement = sa.update(sessions).where(sessions.c.uid == uid, sessions.c.revoked_at.is_(None))
    return (await connection.execute(statement.values(revoked_at=at))).rowcount == 1


async def revoke_sessions_of(connection: AsyncConnection, user_uid: str, organization_uid: str, at: datetime) -> None:
    """All that a user has in an organization."""
    column = sessions.c
    statement = sa.update(sessions).where(
        column.user_uid == user_uid, column.organization_uid == organization_uid, column.revoked_at.is_(None)
    )
    await connection.execute(statement.values(revoked_at=at))


async def living_sessions(connection: AsyncConnection, user_uid: str, at: datetime, page: Page) -> Listing[Session]:
    """Newest first."""
    column = sessions.c
    conditions = [column.user_uid == user_uid, column.revoked_at.is_(None), column.expires_at > at]
    query = sa.select(sessions).where(*conditions).order_by(column.seq.desc())
    found = await records.every(connection, Session, query.offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, sessions, conditions))


async def living_session(connection: AsyncConnection, user_uid: str, seq: int, at: datetime) -> Session | None:
    column = sessions.c
    query = sa.select(sessions).where(
        column.user_uid == user_uid, column.seq == seq, column.revoked_at.is_(None), column.expires_at > at
    )
    return await records.first(connection, Session, query)


async def forget_sessions(connection: AsyncConnection, expired_before: datetime) -> None:
    await connection.execute(sa.delete(sessions).where(sessions.c.expires_at < expired_before))

"""Rows of organizations as a user reaches them: through his memberships only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.accounts import Business, Membership, MemberState, Organization
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.schema import businesses, memberships, organizations


def _mine(user_uid: str) -> sa.ColumnElement[bool]:
    owned = sa.select(memberships.c.organization_uid).where(
        memberships.c.user_uid == user_uid, memberships.c.state == MemberState.ACTIVE.value
    )
    return organizations.c.uid.in_(owned)


async def of_user(connection: AsyncConnection, user_uid: str, search: str, page: Page) -> Listing[Organization]:
    """By name."""
    column = organizations.c
    conditions = [_mine(user_uid)]
    if search:
        fields: tuple[sa.Column[Any], ...] = (column.name, column.contact_email, column.phone, column.external_id)
        conditions.append(sa.or_(*(field.icontains(search, autoescape=True) for field in fields)))
    query = sa.select(organizations).where(*conditions).order_by(column.name, column.seq)
    found = await records.every(connection, Organization, query.offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, organizations, conditions))


async def find_of_user(connection: AsyncConnection, user_uid: str, external_id: str) -> Organization | None:
    query = sa.select(organizations).where(_mine(user_uid), organizations.c.external_id == external_id)
    return await records.first(connection, Organization, query)


async def add(
    connection: AsyncConnection, organization: Organization, business: Business, membership: Membership
) -> None:
    await records.insert(connection, organizations, organization)
    await records.insert(connection, businesses, business)
    await records.insert(connection, memberships, membership, created_at=organization.created_at)


async def with_uids(connection: AsyncConnection, uids: list[str]) -> list[Organization]:
    """Nothing is said of the user: whoever asks knows that he belongs to them."""
    return await records.every(connection, Organization, sa.select(organizations).where(organizations.c.uid.in_(uids)))


async def change(connection: AsyncConnection, uid: str, changes: dict[str, Any]) -> None:
    await connection.execute(sa.update(organizations).where(organizations.c.uid == uid).values(**changes))

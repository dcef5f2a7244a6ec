"""Rows of the trail of changes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.audit import AuditEntry, AuditFilter, NamedEntry
from voicecore.domain.customers import Customer
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.schema import audit_entries, users

PERSONS = ("customer", "contact")  # what surfaces call a customer
_JOINED = audit_entries.outerjoin(users, users.c.uid == audit_entries.c.user_uid)


async def add(connection: AsyncConnection, entry: AuditEntry) -> None:
    await records.insert(connection, audit_entries, entry)


async def forget_customer(connection: AsyncConnection, customer: Customer) -> None:
    """The trail still tells that somebody was written about, and no longer under which name his client knew him."""
    column = audit_entries.c
    statement = sa.update(audit_entries).where(
        column.organization_uid == customer.organization_uid,
        column.model_type.in_(PERSONS),
        column.model_id == customer.external_id,
    )
    await connection.execute(statement.values(model_id=""))


async def prune(connection: AsyncConnection, organization_uid: str, before: datetime) -> int:
    """Remove older entries. Their number."""
    column = audit_entries.c
    old = sa.delete(audit_entries).where(column.organization_uid == organization_uid, column.created_at < before)
    return (await connection.execute(old)).rowcount


async def listing(
    connection: AsyncConnection, organization_uid: str, wanted: AuditFilter, page: Page
) -> Listing[NamedEntry]:
    """Newest first."""
    column = audit_entries.c
    conditions: list[sa.ColumnElement[bool]] = [column.organization_uid == organization_uid]
    if wanted.user_seq is not None:
        conditions.append(users.c.seq == wanted.user_seq)
    if wanted.action is not None:
        conditions.append(column.action == wanted.action)
    if wanted.model_type is not None:
        conditions.append(column.model_type == wanted.model_type)
    if wanted.risk_level is not None:
        conditions.append(column.risk_level == wanted.risk_level.value)
    if wanted.from_at is not None:
        conditions.append(column.created_at >= wanted.from_at)
    if wanted.before_at is not None:
        conditions.append(column.created_at < wanted.before_at)
    who = (users.c.seq.label("user_seq"), users.c.name.label("user_name"), users.c.email.label("user_email"))
    query = sa.select(audit_entries, *who).select_from(_JOINED).where(*conditions)
    query = query.order_by(column.created_at.desc(), column.seq.desc())
    rows = await records.every(connection, NamedEntry, query.offset(page.offset).limit(page.count))
    return Listing(rows, await records.count(connection, _JOINED, conditions))

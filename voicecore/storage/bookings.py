"""Sums over appointments, made by the database from an index of their own: how many were booked, and what they bring.

Which ones is a matter of when they were booked, not of when they take place.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.calendar import AppointmentStatus
from voicecore.domain.trade import Booked, BookedBy, BookedFilter, By
from voicecore.storage.schema import appointments, businesses, resources, services

LOST = (AppointmentStatus.CANCELLED.value, AppointmentStatus.NO_SHOW.value)
REVENUE: sa.ColumnElement[float] = sa.func.coalesce(
    sa.func.sum(sa.case((appointments.c.status.not_in(LOST), appointments.c.price))), 0.0
)


def conditions(organization_uid: str, wanted: BookedFilter) -> list[sa.ColumnElement[bool]]:
    column = appointments.c
    found: list[sa.ColumnElement[bool]] = [column.organization_uid == organization_uid]
    if wanted.span is not None:
        found += [column.created_at >= wanted.span.start, column.created_at < wanted.span.end]
    if wanted.business_uid is not None:
        found.append(column.business_uid == wanted.business_uid)
    return found


async def total(connection: AsyncConnection, organization_uid: str, wanted: BookedFilter) -> Booked:
    query = sa.select(sa.func.count(), REVENUE).where(*conditions(organization_uid, wanted))
    count, revenue = (await connection.execute(query)).one()
    return Booked(count, revenue)


async def grouped(connection: AsyncConnection, organization_uid: str, wanted: BookedFilter, by: By) -> list[BookedBy]:
    """The largest first. A service that is on no list goes by the words it was booked with."""
    column = appointments.c
    source: sa.FromClause = appointments
    seq: sa.ColumnElement[Any] = sa.null()
    name: sa.ColumnElement[Any] = column.source if by is By.SOURCE else column.status
    if by is By.SERVICE:
        source = source.outerjoin(services, services.c.uid == column.service_uid)
        seq, name = services.c.seq, sa.func.coalesce(services.c.name, column.service)
    elif by is By.STAFF:
        source = source.join(resources, resources.c.uid == column.resource_uid)
        seq, name = resources.c.seq, resources.c.name
    elif by is By.BRANCH:
        source = source.join(businesses, businesses.c.uid == column.business_uid)
        seq, name = businesses.c.seq, businesses.c.name
    keys = [sa.type_coerce(seq, sa.Integer).label("seq"), name.label("name")]
    groups = keys[1:] if by in (By.SOURCE, By.STATUS) else keys
    query: sa.Select[Any] = (
        sa.select(*keys, sa.func.count().label("count"), REVENUE.label("revenue"))
        .select_from(source)
        .where(*conditions(organization_uid, wanted))
        .group_by(*groups)
        .order_by(sa.func.count().desc(), groups[-1])
    )
    rows = (await connection.execute(query)).all()
    return [BookedBy(name, number, count, revenue) for number, name, count, revenue in rows]

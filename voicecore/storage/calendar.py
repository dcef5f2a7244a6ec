"""Rows of services, resources, opening hours and appointments.

Two appointments of one resource never overlap: the database itself refuses it (see `engines.py`), and
`add` and `move` turn that refusal into SlotTaken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.brain.ports import SlotTaken
from voicecore.domain import phone
from voicecore.domain.calendar import (
    Appointment,
    AppointmentFilter,
    AppointmentStatus,
    OpeningHours,
    Resource,
    Service,
    Span,
)
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.engines import TAKEN
from voicecore.storage.schema import appointments, calls, customers, opening_hours, resources, services


async def services_of(connection: AsyncConnection, business_uid: str) -> list[Service]:
    query = sa.select(services).where(services.c.business_uid == business_uid).order_by(services.c.seq)
    return await records.every(connection, Service, query)


async def hours_of(connection: AsyncConnection, business_uid: str) -> list[OpeningHours]:
    query = sa.select(opening_hours).where(opening_hours.c.business_uid == business_uid)
    return await records.every(connection, OpeningHours, query.order_by(opening_hours.c.weekday, opening_hours.c.opens))


async def resources_of(
    connection: AsyncConnection, organization_uid: str, business_uid: str | None = None
) -> list[Resource]:
    """Active ones, of one business or of all."""
    query = sa.select(resources).where(resources.c.organization_uid == organization_uid, resources.c.active)
    if business_uid is not None:
        query = query.where(resources.c.business_uid == business_uid)
    return await records.every(connection, Resource, query.order_by(resources.c.seq))


async def busy(
    connection: AsyncConnection, resource_uids: list[str], span: Span, *, without: str = ""
) -> dict[str, list[Span]]:
    """What is taken within `span`, by resource; `without` is the appointment that may make room."""
    column = appointments.c
    query = sa.select(column.resource_uid, column.starts_at, column.ends_at).where(
        column.resource_uid.in_(resource_uids),
        column.status != AppointmentStatus.CANCELLED.value,
        column.starts_at < span.end,
        column.ends_at > span.start,
        column.uid != without,
    )
    taken: dict[str, list[Span]] = {uid: [] for uid in resource_uids}
    for row in (await connection.execute(query)).all():
        taken[row.resource_uid].append(Span(row.starts_at, row.ends_at))
    return taken


def _with_names() -> sa.Select[Any]:
    return (
        sa.select(
            appointments,
            resources.c.external_id.label("resource_id"),
            sa.func.coalesce(customers.c.external_id, "").label("customer_id"),
            sa.func.coalesce(calls.c.external_id, "").label("call_id"),
        )
        .join(resources, resources.c.uid == appointments.c.resource_uid)
        .outerjoin(customers, customers.c.uid == appointments.c.customer_uid)
        .outerjoin(calls, calls.c.uid == appointments.c.call_uid)
    )


def _narrowed(organization_uid: str, wanted: AppointmentFilter) -> list[sa.ColumnElement[bool]]:
    column = appointments.c
    conditions: list[sa.ColumnElement[bool]] = [column.organization_uid == organization_uid]
    if wanted.business_uid is not None:
        conditions.append(column.business_uid == wanted.business_uid)
    if wanted.from_at is not None:
        conditions.append(column.starts_at >= wanted.from_at)
    if wanted.before_at is not None:
        conditions.append(column.starts_at < wanted.before_at)
    if wanted.statuses:
        conditions.append(column.status.in_([s.value for s in wanted.statuses]))
    if wanted.resource_id is not None:
        conditions.append(resources.c.external_id == wanted.resource_id)
    if wanted.customer_id is not None:
        conditions.append(customers.c.external_id == wanted.customer_id)
    if wanted.call_uid is not None:
        conditions.append(column.call_uid == wanted.call_uid)
    if wanted.phone is not None:
        conditions.append(column.phone_tail == phone.tail(wanted.phone))
    return conditions


async def listing(
    connection: AsyncConnection, organization_uid: str, wanted: AppointmentFilter, page: Page
) -> Listing[Appointment]:
    """Earliest first."""
    conditions = _narrowed(organization_uid, wanted)
    query = _with_names().where(*conditions).order_by(appointments.c.starts_at, appointments.c.seq)
    rows = await records.every(connection, Appointment, query.offset(page.offset).limit(page.count))
    joined = _with_names().where(*conditions).with_only_columns(sa.func.count())
    return Listing(rows, (await connection.execute(joined)).scalar_one())


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Appointment | None:
    query = _with_names().where(
        appointments.c.organization_uid == organization_uid, appointments.c.external_id == external_id
    )
    return await records.first(connection, Appointment, query)


def _refused(error: IntegrityError) -> bool:
    text = str(error.orig)
    return TAKEN in text or "appointments_taken" in text


async def add(connection: AsyncConnection, appointment: Appointment) -> None:
    """Raises SlotTaken."""
    try:
        await records.insert(connection, appointments, appointment, phone_tail=phone.tail(appointment.customer_phone))
    except IntegrityError as error:
        if _refused(error):
            raise SlotTaken("that time is taken") from error
        raise


async def move(
    connection: AsyncConnection, uid: str, resource_uid: str, starts_at: datetime, ends_at: datetime
) -> None:
    """Raises SlotTaken."""
    statement = sa.update(appointments).where(appointments.c.uid == uid)
    try:
        await connection.execute(
            statement.values(
                resource_uid=resource_uid,
                starts_at=starts_at,
                ends_at=ends_at,
                status=AppointmentStatus.SCHEDULED.value,
            )
        )
    except IntegrityError as error:
        if _refused(error):
            raise SlotTaken("that time is taken") from error
        raise


async def set_status(connection: AsyncConnection, uid: str, status: AppointmentStatus) -> None:
    await connection.execute(sa.update(appointments).where(appointments.c.uid == uid).values(status=status.value))

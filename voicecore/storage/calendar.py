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
    AppointmentCard,
    AppointmentFilter,
    AppointmentStatus,
    OpeningHours,
    Resource,
    Service,
    Span,
)
from voicecore.domain.customers import name_key
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.engines import TAKEN
from voicecore.storage.schema import (
    appointments,
    businesses,
    calls,
    customers,
    opening_hours,
    resources,
    services,
)


async def services_of(connection: AsyncConnection, business_uid: str) -> list[Service]:
    query = sa.select(services).where(services.c.business_uid == business_uid).order_by(services.c.seq)
    return await records.every(connection, Service, query)


async def service_with_seq(connection: AsyncConnection, organization_uid: str, seq: int) -> Service | None:
    query = sa.select(services).where(services.c.organization_uid == organization_uid, services.c.seq == seq)
    return await records.first(connection, Service, query)


async def resource_with_seq(connection: AsyncConnection, organization_uid: str, seq: int) -> Resource | None:
    query = sa.select(resources).where(resources.c.organization_uid == organization_uid, resources.c.seq == seq)
    return await records.first(connection, Resource, query)


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
    same = {
        column.uid: wanted.uid,
        column.resource_uid: wanted.resource_uid,
        column.service_uid: wanted.service_uid,
        column.customer_uid: wanted.customer_uid,
    }
    conditions += [one == uid for one, uid in same.items() if uid is not None]
    if wanted.customer_text:
        conditions.append(_of_customer_like(organization_uid, wanted.customer_text))
    return conditions


def _of_customer_like(organization_uid: str, part: str) -> sa.ColumnElement[bool]:
    """Part of name or number: those that the customer has now, else those that were given for the appointment.
    Customers are looked through once: joined to every appointment, that took several times as long."""
    known, given = customers.alias("sought"), appointments.c
    either = [known.c.name_key.contains(name_key(part), autoescape=True)]
    either.append(known.c.phone.icontains(part, autoescape=True))
    if digits := phone.sought_digits(part):
        either.append(known.c.phone_digits.contains(digits))
    name = given.customer_name.icontains(part, autoescape=True)
    number = given.customer_phone.icontains(part, autoescape=True)

    def whose(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        found = sa.select(known.c.uid).where(known.c.organization_uid == organization_uid, *conditions)
        return given.customer_uid.in_(found)

    return sa.or_(
        whose(sa.or_(*either)),
        sa.and_(given.customer_uid.is_(None), sa.or_(name, number)),
        sa.and_(whose(known.c.name_key == ""), name),
        sa.and_(whose(known.c.phone_tail == ""), number),
    )


async def listing(
    connection: AsyncConnection, organization_uid: str, wanted: AppointmentFilter, page: Page
) -> Listing[Appointment]:
    """Earliest first."""
    conditions = _narrowed(organization_uid, wanted)
    query = _with_names().where(*conditions).order_by(appointments.c.starts_at, appointments.c.seq)
    rows = await records.every(connection, Appointment, query.offset(page.offset).limit(page.count))
    return Listing(rows, await _count(connection, organization_uid, wanted))


async def _count(connection: AsyncConnection, organization_uid: str, wanted: AppointmentFilter) -> int:
    """Without a look at other tables where nothing is asked of them."""
    conditions = _narrowed(organization_uid, wanted)
    if wanted.resource_id is wanted.customer_id is None:
        return await records.count(connection, appointments, conditions)
    joined = _with_names().where(*conditions).with_only_columns(sa.func.count())
    number: int = (await connection.execute(joined)).scalar_one()
    return number


async def made_in_calls(connection: AsyncConnection, organization_uid: str, most: int) -> list[tuple[Appointment, str]]:
    """Those that stand, with the name of their business's time zone; the newest booking first."""
    column = appointments.c
    query = (
        _with_names()
        .join(businesses, businesses.c.uid == column.business_uid)
        .add_columns(businesses.c.timezone)
        .where(
            column.organization_uid == organization_uid,
            column.call_uid.is_not(None),
            column.status != AppointmentStatus.CANCELLED.value,
        )
        .order_by(column.created_at.desc(), column.seq.desc())
        .limit(most)
    )
    found = (await connection.execute(query)).all()
    return [(records.load(Appointment, row), row.timezone) for row in found]


def _cards(organization_uid: str, wanted: AppointmentFilter) -> sa.Select[Any]:
    more = (
        businesses.c.seq.label("business_seq"),
        resources.c.seq.label("resource_seq"),
        resources.c.name.label("resource_name"),
        customers.c.seq.label("customer_seq"),
        sa.func.coalesce(customers.c.name, "").label("known_name"),
        sa.func.coalesce(customers.c.phone, "").label("known_phone"),
        services.c.seq.label("service_seq"),
        services.c.minutes.label("service_minutes"),
    )
    return (
        _with_names()
        .join(businesses, businesses.c.uid == appointments.c.business_uid)
        .outerjoin(services, services.c.uid == appointments.c.service_uid)
        .add_columns(*more)
        .where(*_narrowed(organization_uid, wanted))
    )


async def cards(
    connection: AsyncConnection, organization_uid: str, wanted: AppointmentFilter, page: Page
) -> Listing[AppointmentCard]:
    """As `listing`, with names."""
    query = _cards(organization_uid, wanted).order_by(appointments.c.starts_at, appointments.c.seq)
    rows = await records.every(connection, AppointmentCard, query.offset(page.offset).limit(page.count))
    return Listing(rows, await _count(connection, organization_uid, wanted))


async def card(connection: AsyncConnection, organization_uid: str, uid: str) -> AppointmentCard | None:
    return await records.first(connection, AppointmentCard, _cards(organization_uid, AppointmentFilter(uid=uid)))


async def cards_of_calls(
    connection: AsyncConnection, organization_uid: str, call_uids: list[str]
) -> list[AppointmentCard]:
    """What was booked in these calls, earliest first."""
    query = _cards(organization_uid, AppointmentFilter()).where(appointments.c.call_uid.in_(call_uids))
    return await records.every(connection, AppointmentCard, query.order_by(appointments.c.starts_at))


async def latest_cards(connection: AsyncConnection, organization_uid: str, count: int) -> list[AppointmentCard]:
    """The last that were booked, newest first."""
    query = _cards(organization_uid, AppointmentFilter())
    query = query.order_by(appointments.c.created_at.desc(), appointments.c.seq.desc()).limit(count)
    return await records.every(connection, AppointmentCard, query)


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
    scheduled = AppointmentStatus.SCHEDULED.value
    values = {"resource_uid": resource_uid, "starts_at": starts_at, "ends_at": ends_at, "status": scheduled}
    await change(connection, uid, values)


async def change(connection: AsyncConnection, uid: str, values: dict[str, Any]) -> None:
    """Raises SlotTaken."""
    try:
        await connection.execute(sa.update(appointments).where(appointments.c.uid == uid).values(**values))
    except IntegrityError as error:
        if _refused(error):
            raise SlotTaken("that time is taken") from error
        raise

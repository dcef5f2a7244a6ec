"""The calendar: what is free, and booking it. REST and the agent on the telephone come through here, so
they cannot disagree; the database refuses what still collides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.brain.ports import SlotTaken
from pipelines.errors import NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Business
from voicecore.domain.calendar import (
    Appointment,
    AppointmentFilter,
    AppointmentStatus,
    OpeningHours,
    Resource,
    Service,
    Span,
    free_slots,
    open_windows,
)
from voicecore.domain.customers import Customer
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import Fact
from voicecore.storage import calendar as rows
from voicecore.storage import customers, outbox, tenants
from voicecore.storage.database import Database

LONGEST_RANGE = timedelta(days=92)
DEFAULT_MINUTES = 30


class FreeSlot(NamedTuple):
    span: Span
    resource: Resource


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be booked. The customer is named by id, else found by number, or made. `minutes` None: what the
    service takes."""

    start: datetime
    minutes: int | None
    service: str = ""
    customer_id: str | None = None
    customer_name: str = ""
    customer_phone: str = ""
    resource_id: str | None = None
    notes: str = ""
    source: str = "api"
    call_uid: str | None = None
    confirm: bool = False  # whoever is told of it should tell the customer


class Appointments:
    """`clock` says what is past."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = instants.now) -> None:
        self._database = database
        self._clock = clock

    async def services(self, business: Business) -> list[Service]:
        async with self._database.read() as connection:
            return await rows.services_of(connection, business.uid)

    async def opening_hours(self, business: Business) -> list[OpeningHours]:
        async with self._database.read() as connection:
            return await rows.hours_of(connection, business.uid)

    async def get(self, organization_uid: str, appointment_id: str) -> Appointment:
        """Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.find(connection, organization_uid, appointment_id)
        if found is None:
            raise NotFound("appointment not found")
        return found

    async def listing(self, organization_uid: str, wanted: AppointmentFilter, page: Page) -> Listing[Appointment]:
        async with self._database.read() as connection:
            return await rows.listing(connection, organization_uid, wanted, page)

    async def made_in_calls(self, organization_uid: str, most: int) -> list[tuple[Appointment, ZoneInfo]]:
        """Those that stand, with the time zone of their business; the newest booking first."""
        async with self._database.read() as connection:
            found = await rows.made_in_calls(connection, organization_uid, most)
        return [(appointment, instants.zone(zone)) for appointment, zone in found]

    async def availability(
        self,
        business: Business,
        span: Span,
        minutes: int,
        *,
        resource_id: str | None = None,
        limit: int = 500,
    ) -> list[FreeSlot]:
        """Free slots that lie within `span`, not in the past, earliest first. Raises ValidationError."""
        if span.end - span.start > LONGEST_RANGE:
            raise ValidationError("range too long", (("end_date", f"at most {LONGEST_RANGE.days} days"),))
        tz = instants.zone(business.timezone)
        async with self._database.read() as connection:
            hours = await rows.hours_of(connection, business.uid)
            resources = await rows.resources_of(connection, business.organization_uid, business.uid)
            resources = [r for r in resources if resource_id is None or r.external_id == resource_id]
            busy = await rows.busy(connection, [r.uid for r in resources], span)
        first, last = span.start.astimezone(tz).date(), span.end.astimezone(tz).date()
        windows = open_windows(hours, first - timedelta(days=1), last, tz)
        earliest = max(self._clock(), span.start)
        slots = [
            FreeSlot(slot, resource)
            for resource in resources
            for slot in free_slots(windows, busy[resource.uid], minutes, not_before=earliest, limit=limit)
            if slot.end <= span.end
        ]
        return sorted(slots, key=lambda slot: (slot.span, slot.resource.seq))[:limit]

    async def book(self, business: Business, booking: Booking) -> Appointment:
        """Raises SlotTaken (also for the past and when the business is closed), NotFound, ValidationError."""
        if booking.minutes is not None and not 1 <= booking.minutes <= 1440:
            raise ValidationError("invalid duration", (("duration", "1 to 1440 minutes"),))
        async with self._database.write() as connection:
            service = await _offered(connection, business, booking.service)
            minutes = booking.minutes or (service.minutes if service else DEFAULT_MINUTES)
            span = Span(booking.start, booking.start + timedelta(minutes=minutes))
            customer = await self._customer(connection, business, booking)
            resource = await self.free_resource(connection, business, span, booking.resource_id)
            appointment = Appointment(
                uid=new_uid(),
                organization_uid=business.organization_uid,
                business_uid=business.uid,
                external_id=new_external_id("apt"),
                customer_uid=customer.uid if customer else None,
                customer_name=booking.customer_name or (customer.name if customer else ""),
                customer_phone=booking.customer_phone or (customer.phone if customer else ""),
                resource_uid=resource.uid,
                service=booking.service,
                service_uid=service.uid if service else None,
                price=service.price if service else None,
                starts_at=span.start,
                ends_at=span.end,
                notes=booking.notes,
                source=booking.source,
                call_uid=booking.call_uid,
                created_at=self._clock(),
            )
            await rows.add(connection, appointment)
            await outbox.announce(
                connection,
                business.organization_uid,
                Fact.APPOINTMENT_CREATED,
                appointment.external_id,
                {"send_confirmation": booking.confirm},
            )
            return await self._found(connection, business, appointment.external_id)

    async def move(self, business: Business, appointment_id: str, start: datetime) -> Appointment:
        """The same length from `start` on. Raises SlotTaken, NotFound."""
        async with self._database.write() as connection:
            old = await self._found(connection, business, appointment_id)
            if old.status is AppointmentStatus.CANCELLED:
                raise NotFound("appointment not found")
            span = Span(start, start + (old.ends_at - old.starts_at))
            resource = await self.free_resource(
                connection, business, span, None, without=old.uid, rather=old.resource_uid
            )
            await rows.move(connection, old.uid, resource.uid, span.start, span.end)
            return await self._found(connection, business, appointment_id)

    async def cancel(self, business: Business, appointment_id: str) -> Appointment:
        """Frees its time. Raises NotFound, also when it was cancelled before."""
        async with self._database.write() as connection:
            old = await self._found(connection, business, appointment_id)
            if old.status is AppointmentStatus.CANCELLED:
                raise NotFound("appointment not found")
            await cancel_row(connection, old)
            return await self._found(connection, business, appointment_id)

    async def upcoming(self, business: Business, phone: str | None) -> list[Appointment]:
        """Not cancelled, not begun, earliest first; of one number or of all."""
        wanted = AppointmentFilter(
            business_uid=business.uid,
            from_at=self._clock(),
            statuses=(
                AppointmentStatus.SCHEDULED,
                AppointmentStatus.CONFIRMED,
                AppointmentStatus.RESCHEDULED,
            ),
            phone=phone,
        )
        async with self._database.read() as connection:
            return (await rows.listing(connection, business.organization_uid, wanted, Page(0, 500))).rows

    async def default_business(self, organization_uid: str) -> Business:
        """Raises NotFound."""
        async with self._database.read() as connection:
            found = await tenants.first_business(connection, organization_uid)
        if found is None:
            raise NotFound("the organization has no business yet")
        return found

    async def business_of_resource(self, organization_uid: str, resource_id: str) -> Business:
        """Raises NotFound."""
        async with self._database.read() as connection:
            for resource in await rows.resources_of(connection, organization_uid):
                if resource.external_id == resource_id:
                    found = await tenants.business(connection, organization_uid, resource.business_uid)
                    assert found is not None  # a foreign key says so
                    return found
        raise NotFound("resource not found")

    async def _found(self, connection: AsyncConnection, business: Business, external_id: str) -> Appointment:
        found = await rows.find(connection, business.organization_uid, external_id)
        if found is None or found.business_uid != business.uid:
            raise NotFound("appointment not found")
        return found

    async def _customer(self, connection: AsyncConnection, business: Business, booking: Booking) -> Customer | None:
        organization = business.organization_uid
        if booking.customer_id is None:
            return await customers.find_or_make(
                connection, organization, booking.customer_phone, booking.customer_name, self._clock()
            )
        found = await customers.find(connection, organization, booking.customer_id)
        if found is None:
            raise NotFound("customer not found")
        return found

    async def free_resource(
        self,
        connection: AsyncConnection,
        business: Business,
        span: Span,
        resource_id: str | None,
        *,
        without: str = "",
        rather: str = "",
    ) -> Resource:
        """Whoever can take it: `resource_id` only, or anybody, `rather` (a uid) before the others. `without` is the
        appointment that makes room. Raises SlotTaken, NotFound."""
        if span.start < self._clock():
            raise SlotTaken("that time is past")
        tz = instants.zone(business.timezone)
        day = span.start.astimezone(tz).date()
        hours = await rows.hours_of(connection, business.uid)
        if not any(window.covers(span) for window in open_windows(hours, day - timedelta(days=1), day, tz)):
            raise SlotTaken("the business is closed then")
        resources = await rows.resources_of(connection, business.organization_uid, business.uid)
        if resource_id is not None:
            resources = [r for r in resources if r.external_id == resource_id]
            if not resources:
                raise NotFound("resource not found")
        busy = await rows.busy(connection, [r.uid for r in resources], span, without=without)
        for resource in sorted(resources, key=lambda r: r.uid != rather):
            if not busy[resource.uid]:
                return resource
        raise SlotTaken("that time is taken")


async def _offered(connection: AsyncConnection, business: Business, service: str) -> Service | None:
    """The service of that name."""
    named = [s for s in await rows.services_of(connection, business.uid) if s.name.casefold() == service.casefold()]
    return named[0] if named else None


async def cancel_row(connection: AsyncConnection, old: Appointment, reason: str = "", *, notify: bool = False) -> None:
    """Free its time and tell who wants to know."""
    changes = {"status": AppointmentStatus.CANCELLED.value, "cancel_reason": reason}
    await rows.change(connection, old.uid, changes)
    told = {"reason": reason, "notify_customer": notify}
    await outbox.announce(connection, old.organization_uid, Fact.APPOINTMENT_CANCELLED, old.external_id, told)


def local_range(business: Business, first: date, last: date) -> Span:
    """Both days included, in the business's own time."""
    tz = instants.zone(business.timezone)
    return Span(instants.day_start(first, tz), instants.day_start(last + timedelta(days=1), tz))

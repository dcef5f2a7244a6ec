"""Appointments as the staff of a company keep them: lists with names, one of them, changing and cancelling it.

Booking and what is free are the business of `Appointments`, which this goes through.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import ConflictError, NotFound
from voicecore.domain.accounts import Business
from voicecore.domain.calendar import AppointmentCard, AppointmentFilter, AppointmentStatus, Span
from voicecore.domain.paging import Listing, Page
from voicecore.services.appointments import Appointments, Booking, cancel_row
from voicecore.storage import calendar as rows
from voicecore.storage import tenants
from voicecore.storage.database import Database

MISSING = "appointment not found"
CANCELLED = "the appointment is cancelled already"


class AppointmentPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What is None stays as it is. A new start keeps the length that the service has, and the staff member."""

    start: datetime | None = None
    status: AppointmentStatus | None = None
    notes: str | None = None


class FrontDesk:
    def __init__(self, database: Database, appointments: Appointments) -> None:
        self._database = database
        self._appointments = appointments

    async def listing(self, organization_uid: str, wanted: AppointmentFilter, page: Page) -> Listing[AppointmentCard]:
        """Earliest first."""
        async with self._database.read() as connection:
            return await rows.cards(connection, organization_uid, wanted, page)

    async def get(self, organization_uid: str, uid: str) -> AppointmentCard:
        """Raises NotFound."""
        async with self._database.read() as connection:
            return await _found(connection, organization_uid, uid)

    async def book(self, organization_uid: str, business_uid: str, booking: Booking) -> AppointmentCard:
        """As `Appointments.book`. Raises SlotTaken, NotFound, ValidationError."""
        business = await self.business(organization_uid, business_uid)
        booked = await self._appointments.book(business, booking)
        return await self.get(organization_uid, booked.uid)

    async def business(self, organization_uid: str, uid: str) -> Business:
        """Raises NotFound."""
        async with self._database.read() as connection:
            found = await tenants.business(connection, organization_uid, uid)
        if found is None:
            raise NotFound("business not found")
        return found

    async def change(self, organization_uid: str, uid: str, patch: AppointmentPatch) -> AppointmentCard:
        """Raises SlotTaken, NotFound."""
        async with self._database.write() as connection:
            old = await _found(connection, organization_uid, uid)
            values: dict[str, Any] = {} if patch.notes is None else {"notes": patch.notes}
            if patch.start is not None:
                values |= await self._moved(connection, old, patch.start)
            cancels = patch.status is AppointmentStatus.CANCELLED
            if patch.status is not None and not cancels:
                values["status"] = patch.status.value
            if values:
                await rows.change(connection, old.uid, values)
            if cancels and old.status is not AppointmentStatus.CANCELLED:
                await cancel_row(connection, old)
            return await _found(connection, organization_uid, uid)

    async def cancel(self, organization_uid: str, uid: str, reason: str, *, notify: bool) -> AppointmentCard:
        """`notify`: whoever is told of it should tell the customer. Raises NotFound; ConflictError when it is
        cancelled already."""
        async with self._database.write() as connection:
            old = await _found(connection, organization_uid, uid)
            if old.status is AppointmentStatus.CANCELLED:
                raise ConflictError(CANCELLED)
            await cancel_row(connection, old, reason, notify=notify)
            return await _found(connection, organization_uid, uid)

    async def _moved(self, connection: AsyncConnection, old: AppointmentCard, start: datetime) -> dict[str, Any]:
        length = old.ends_at - old.starts_at
        if old.service_minutes is not None:
            length = timedelta(minutes=old.service_minutes)
        span = Span(start, start + length)
        if span != Span(old.starts_at, old.ends_at):
            business = await tenants.business(connection, old.organization_uid, old.business_uid)
            assert business is not None  # a foreign key says so
            await self._appointments.free_resource(connection, business, span, old.resource_id, without=old.uid)
        return {"starts_at": span.start, "ends_at": span.end}


async def _found(connection: AsyncConnection, organization_uid: str, uid: str) -> AppointmentCard:
    found = await rows.card(connection, organization_uid, uid)
    if found is None:
        raise NotFound(MISSING)
    return found

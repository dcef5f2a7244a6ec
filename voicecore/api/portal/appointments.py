"""Appointments: lists, booking, changing, cancelling, and what is free."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.brain.ports import SlotTaken
from pipelines.errors import ConflictError, NotFound, ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.api.portal.appointment_shapes import (
    AppointmentQuery,
    AppointmentShape,
    AvailabilityRequest,
    AvailabilityResponse,
    BookingRequest,
    CancelRequest,
    ChangeRequest,
    SlotShape,
    appointment_shape,
)
from voicecore.api.portal.lookups import WRONG, Lookups
from voicecore.api.portal.paging import Paged, Pager
from voicecore.api.portal.words import BASE, optional_day, z
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.calendar import AppointmentFilter, AppointmentStatus, Resource, Service
from voicecore.domain.counted import Counted
from voicecore.services.appointments import Appointments, Booking, local_range
from voicecore.services.customer_file import CustomerFile
from voicecore.services.front_desk import MISSING, AppointmentPatch, FrontDesk

SOURCE, TAG = "portal", "Appointments"


class AppointmentHandlers:
    def __init__(
        self, desk: FrontDesk, appointments: Appointments, customers: CustomerFile, lookups: Lookups, pager: Pager
    ) -> None:
        self._desk = desk
        self._appointments = appointments
        self._customers = customers
        self._lookups = lookups
        self._pager = pager

    async def listing(self, exchange: Exchange) -> Paged[AppointmentShape]:
        query: AppointmentQuery = exchange.query
        tz = await self._lookups.zone(exchange)
        first, last = optional_day("date_from", query.date_from), optional_day("date_to", query.date_to)
        wanted = AppointmentFilter(
            statuses=(AppointmentStatus(query.status),) if query.status else (),
            from_at=instants.day_start(first, tz) if first else None,
            before_at=instants.day_after(last, tz) if last else None,
            business_uid=await self._lookups.wanted(exchange, Counted.BRANCH, query.branch_id),
            resource_uid=await self._lookups.wanted(exchange, Counted.STAFF, query.staff_id),
            service_uid=await self._lookups.wanted(exchange, Counted.SERVICE, query.service_id),
            customer_text=(query.customer_search or "").strip() or None,
        )
        found = await self._desk.listing(exchange.organization_uid, wanted, query.core())
        return self._pager.paged(exchange, [appointment_shape(row) for row in found.rows], found.total)

    async def get(self, exchange: Exchange) -> AppointmentShape:
        uid = await self._lookups.of_path(exchange, Counted.APPOINTMENT, MISSING)
        return appointment_shape(await self._desk.get(exchange.organization_uid, uid))

    async def book(self, exchange: Exchange) -> AppointmentShape:
        body: BookingRequest = exchange.body
        service, staff, tz = await self._offer(exchange, body)
        try:
            customer = await self._customers.with_seq(exchange.organization_uid, body.customer_id)
        except NotFound as error:
            raise ValidationError(INVALID, (("customer_id", WRONG),)) from error
        booking = Booking(
            start=_moment(body.scheduled_at, tz),
            minutes=service.minutes,
            service=service.name,
            customer_id=customer.external_id,
            resource_id=staff.external_id if staff else None,
            notes=body.notes or "",
            source=SOURCE,
            confirm=bool(body.send_confirmation),
        )
        try:
            made = await self._desk.book(exchange.organization_uid, service.business_uid, booking)
        except SlotTaken as error:
            raise _refused(error) from error
        except NotFound as error:  # staff who do not work there any more
            raise ValidationError(INVALID, (("staff_id", WRONG),)) from error
        return appointment_shape(made)

    async def change(self, exchange: Exchange) -> AppointmentShape:
        body: ChangeRequest = exchange.body
        uid = await self._lookups.of_path(exchange, Counted.APPOINTMENT, MISSING)
        start = None
        if body.scheduled_at is not None:
            start = _moment(body.scheduled_at, await self._lookups.zone(exchange))
        status = AppointmentStatus(body.status) if body.status else None
        patch = AppointmentPatch(start=start, status=status, notes=body.notes)
        try:
            return appointment_shape(await self._desk.change(exchange.organization_uid, uid, patch))
        except SlotTaken as error:
            raise _refused(error) from error

    async def cancel(self, exchange: Exchange) -> AppointmentShape:
        body: CancelRequest = exchange.body
        uid = await self._lookups.of_path(exchange, Counted.APPOINTMENT, MISSING)
        notify = bool(body.notify_customer)
        try:
            gone = await self._desk.cancel(exchange.organization_uid, uid, body.reason or "", notify=notify)
        except ConflictError as error:
            raise ValidationError(INVALID, (("status", "is cancelled already"),)) from error
        return appointment_shape(gone)

    async def availability(self, exchange: Exchange) -> AvailabilityResponse:
        body: AvailabilityRequest = exchange.body
        service, staff, _ = await self._offer(exchange, body)
        day = optional_day("date", body.date)
        assert day is not None  # the body has a date that is not empty
        business = await self._desk.business(exchange.organization_uid, service.business_uid)
        found = await self._appointments.availability(
            business,
            local_range(business, day, day),
            service.minutes,
            resource_id=staff.external_id if staff else None,
        )
        spans = dict.fromkeys(slot.span for slot in found)  # several may be free at one time
        return AvailabilityResponse([SlotShape(z(span.start), z(span.end)) for span in spans])

    async def _offer(
        self, exchange: Exchange, body: BookingRequest | AvailabilityRequest
    ) -> tuple[Service, Resource | None, ZoneInfo]:
        """What, by whom, and the clock there. Raises ValidationError for what does not go together."""
        service = await self._lookups.service(exchange, body.service_id)
        staff = await self._lookups.staff_member(exchange, body.staff_id) if body.staff_id is not None else None
        if staff is not None and staff.business_uid != service.business_uid:
            raise ValidationError(INVALID, (("staff_id", "is of another branch than the service"),))
        if body.branch_id is not None:
            branch = await self._lookups.branch(exchange, body.branch_id)
            if branch.uid != service.business_uid:
                raise ValidationError(INVALID, (("branch_id", "is another than the service's"),))
        business = await self._desk.business(exchange.organization_uid, service.business_uid)
        return service, staff, instants.zone(business.timezone)

    def routes(self) -> list[Route]:
        return [*self._seeing(), *self._keeping()]

    def _seeing(self) -> list[Route]:
        path = f"{BASE}/appointments"
        common: dict[str, Any] = {"tag": TAG, "permission": Permission.APPOINTMENTS_VIEW}
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Appointments, the earliest first",
                query=AppointmentQuery,
                response=Paged[AppointmentShape],
                **common,
                retold=True,
            ),
            Route(
                method="POST",
                path=f"{path}/check-availability",
                handler=self.availability,
                summary="What is free on a day, each as long as the service takes",
                body=AvailabilityRequest,
                response=AvailabilityResponse,
                changes=False,
                **common,
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}",
                handler=self.get,
                summary="One appointment (our addition)",
                response=AppointmentShape,
                **common,
            ),
        ]

    def _keeping(self) -> list[Route]:
        path = f"{BASE}/appointments"
        common: dict[str, Any] = {
            "tag": TAG,
            "response": AppointmentShape,
            "permission": Permission.APPOINTMENTS_MANAGE,
        }
        return [
            Route(
                method="POST",
                path=path,
                handler=self.book,
                summary="Book; 422 when that time is taken, past, or outside the opening hours",
                body=BookingRequest,
                status=201,
                **common,
            ),
            Route(
                method="PUT",
                path=f"{path}/{{id}}",
                handler=self.change,
                summary="Change what is sent, keep the rest; the end follows the start",
                body=ChangeRequest,
                **common,
            ),
            Route(
                method="POST",
                path=f"{path}/{{id}}/cancel",
                handler=self.cancel,
                summary="Cancel: its time is free again",
                body=CancelRequest,
                **common,
            ),
        ]


def _moment(text: str, tz: ZoneInfo) -> datetime:
    """Raises ValidationError."""
    try:
        return instants.parse(text, tz)
    except (ValueError, OverflowError) as error:
        raise ValidationError(INVALID, (("scheduled_at", "must be a time like 2025-01-15T14:00:00Z"),)) from error


def _refused(error: SlotTaken) -> ValidationError:
    return ValidationError(INVALID, (("scheduled_at", f"is not available: {error.message}"),))

"""Free slots and booked appointments."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.calls import PageQuery
from voicecore.api.vocaliq.shapes import AppointmentShape, appointment_shape
from voicecore.api.vocaliq.words import optional_moment, pages, z
from voicecore.domain import instants
from voicecore.domain.accounts import Business, Permission
from voicecore.domain.calendar import AppointmentFilter, AppointmentStatus, Span
from voicecore.services.appointments import LONGEST_RANGE, Appointments, Booking
from voicecore.services.calls import Calls

DEFAULT_RANGE = timedelta(days=7)


class AvailabilityQuery(msgspec.Struct, kw_only=True):
    """ISO 8601, bare dates whole days in the business's time zone; a week from now by default. Minutes."""

    start_date: str | None = None
    end_date: str | None = None
    duration: Annotated[int, Meta(ge=5, le=1440)] = 60
    resource_id: str | None = None


class SlotShape(msgspec.Struct):
    start: str
    end: str
    resource_id: str


class AvailabilityResponse(msgspec.Struct):
    available_slots: list[SlotShape]


class AppointmentQuery(PageQuery, kw_only=True):
    start_date: str | None = None
    end_date: str | None = None
    status: Literal["scheduled", "confirmed", "rescheduled", "completed", "no_show", "cancelled"] | None = None
    resource_id: str | None = None
    customer_id: str | None = None
    call_id: str | None = None


class AppointmentListResponse(msgspec.Struct):
    items: list[AppointmentShape]
    total: int
    page: int
    pages: int


class BookingRequest(msgspec.Struct):
    """`duration` in minutes; without it the service's own (`type` names one), else 30. Without a resource any one that
    is free. `start` without a zone is the business's time."""

    start: str
    customer_id: str | None = None
    resource_id: str | None = None
    duration: Annotated[int, Meta(ge=5, le=1440)] | None = None
    type: str = ""
    notes: str = ""


class CalendarHandlers:
    def __init__(self, appointments: Appointments, calls: Calls) -> None:
        self._appointments = appointments
        self._calls = calls

    async def availability(self, exchange: Exchange) -> AvailabilityResponse:
        query: AvailabilityQuery = exchange.query
        business = await self._business(exchange, query.resource_id)
        tz = instants.zone(business.timezone)
        start = optional_moment("start_date", query.start_date, tz) or instants.now()
        end = optional_moment("end_date", query.end_date, tz, end_of_day=True) or start + DEFAULT_RANGE
        if end <= start:
            raise ValidationError("Invalid input data", (("end_date", "not after start_date"),))
        if end - start > LONGEST_RANGE:
            raise ValidationError("Invalid input data", (("end_date", f"at most {LONGEST_RANGE.days} days"),))
        slots = await self._appointments.availability(
            business, Span(start, end), query.duration, resource_id=query.resource_id, limit=1000
        )
        return AvailabilityResponse(
            [SlotShape(z(span.start), z(span.end), resource.external_id) for span, resource in slots]
        )

    async def listing(self, exchange: Exchange) -> AppointmentListResponse:
        query: AppointmentQuery = exchange.query
        business = await self._business(exchange, query.resource_id)
        tz = instants.zone(business.timezone)
        call_uid = None
        if query.call_id is not None:
            call_uid = (await self._calls.get(exchange.organization_uid, query.call_id)).call.uid
        wanted = AppointmentFilter(
            from_at=optional_moment("start_date", query.start_date, tz),
            before_at=optional_moment("end_date", query.end_date, tz, end_of_day=True),
            statuses=(AppointmentStatus(query.status),) if query.status else (),
            resource_id=query.resource_id,
            customer_id=query.customer_id,
            call_uid=call_uid,
        )
        found = await self._appointments.listing(exchange.organization_uid, wanted, query.core())
        items = [appointment_shape(row) for row in found.rows]
        return AppointmentListResponse(items, found.total, query.page, pages(found.total, query.limit))

    async def book(self, exchange: Exchange) -> AppointmentShape:
        body: BookingRequest = exchange.body
        business = await self._business(exchange, body.resource_id)
        start = optional_moment("start", body.start, instants.zone(business.timezone))
        if start is None:
            raise ValidationError("Invalid input data", (("start", "required"),))
        booking = Booking(
            start=start,
            minutes=body.duration,
            service=body.type,
            customer_id=body.customer_id,
            resource_id=body.resource_id,
            notes=body.notes,
        )
        return appointment_shape(await self._appointments.book(business, booking))

    async def _business(self, exchange: Exchange, resource_id: str | None) -> Business:
        """The resource's own, else the organization's first. Raises NotFound."""
        if resource_id is not None:
            return await self._appointments.business_of_resource(exchange.organization_uid, resource_id)
        return await self._appointments.default_business(exchange.organization_uid)

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/calendar", "Calendar"
        return [
            Route(
                method="GET",
                path=f"{base}/availability",
                handler=self.availability,
                summary="Free slots of the given length, earliest first",
                tag=tag,
                query=AvailabilityQuery,
                response=AvailabilityResponse,
            ),
            Route(
                method="GET",
                path=f"{base}/appointments",
                handler=self.listing,
                summary="Booked appointments, earliest first",
                tag=tag,
                query=AppointmentQuery,
                response=AppointmentListResponse,
                retold=True,
            ),
            Route(
                method="POST",
                path=f"{base}/appointments",
                handler=self.book,
                summary="Book; 409 when that time is taken, past, or outside the opening hours",
                tag=tag,
                body=BookingRequest,
                response=AppointmentShape,
                status=201,
                permission=Permission.BOOK,
            ),
        ]

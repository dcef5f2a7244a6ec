"""Free slots and booked appointments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from pipelines.errors import ValidationError
from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.calls import PageQuery
from voicecore.api.vocaliq.shapes import AppointmentShape, appointment_shape
from voicecore.api.vocaliq.words import pages, z
from voicecore.domain import instants
from voicecore.domain.accounts import Business
from voicecore.domain.calendar import AppointmentFilter, AppointmentStatus, Span
from voicecore.services.appointments import LONGEST_RANGE, Appointments
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


class CalendarHandlers:
    def __init__(self, appointments: Appointments, calls: Calls) -> None:
        self._appointments = appointments
        self._calls = calls

    async def availability(self, exchange: Exchange) -> AvailabilityResponse:
        query: AvailabilityQuery = exchange.query
        business = await self._business(exchange, query.resource_id)
        tz = instants.zone(business.timezone)
        start = _moment("start_date", query.start_date, tz) or instants.now()
        end = _moment("end_date", query.end_date, tz) or start + DEFAULT_RANGE
        if end < start:
            raise ValidationError("Invalid input data", (("end_date", "before start_date"),))
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
            from_at=_moment("start_date", query.start_date, tz),
            before_at=_moment("end_date", query.end_date, tz),
            statuses=(AppointmentStatus(query.status),) if query.status else (),
            resource_id=query.resource_id,
            customer_id=query.customer_id,
            call_uid=call_uid,
        )
        found = await self._appointments.listing(exchange.organization_uid, wanted, query.core())
        items = [appointment_shape(row) for row in found.rows]
        return AppointmentListResponse(items, found.total, query.page, pages(found.total, query.limit))

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
            ),
        ]


def _moment(name: str, text: str | None, tz: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        return instants.parse(text, tz, end_of_day=name == "end_date")
    except (ValueError, OverflowError) as error:
        raise ValidationError("Invalid input data", ((name, "not an ISO 8601 date or time"),)) from error

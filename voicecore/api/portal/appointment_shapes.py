"""What is asked and answered about appointments, as the document shows it."""

from __future__ import annotations

from typing import Literal

import msgspec

from voicecore.api.portal.lookups import Number
from voicecore.api.portal.paging import PageQuery
from voicecore.api.portal.words import Given, z
from voicecore.domain.calendar import AppointmentCard

Status = Literal["scheduled", "confirmed", "rescheduled", "completed", "cancelled", "no_show"]


class AppointmentQuery(PageQuery, kw_only=True):
    """Dates are days of the company's clock on which appointments take place, both included."""

    status: Status | None = None
    date_from: str | None = None
    date_to: str | None = None
    branch_id: Number | None = None
    staff_id: Number | None = None
    service_id: Number | None = None
    customer_search: str | None = None


class CustomerShape(msgspec.Struct):
    id: int | None
    name: str
    phone: str


class ServiceShape(msgspec.Struct):
    """`duration` in minutes; `id` null for what is on no list."""

    id: int | None
    name: str
    duration: int
    price: float | None


class StaffShape(msgspec.Struct):
    id: int
    name: str


class AppointmentShape(msgspec.Struct, kw_only=True):
    id: int
    customer: CustomerShape
    service: ServiceShape
    staff: StaffShape
    branch_id: int
    scheduled_at: str
    end_at: str
    status: str
    notes: str
    cancellation_reason: str | None
    created_at: str
    source: str


class BookingRequest(msgspec.Struct, kw_only=True):
    """`scheduled_at` without a zone is the branch's time. Without a branch it is the one of the staff member, without
    a staff member anybody of the service's branch who is free."""

    customer_id: Number
    service_id: Number
    scheduled_at: Given
    staff_id: Number | None = None
    branch_id: Number | None = None
    notes: str | None = None
    send_confirmation: bool | None = None


class ChangeRequest(msgspec.Struct, kw_only=True):
    """What is left out stays."""

    scheduled_at: Given | None = None
    status: Status | None = None
    notes: str | None = None


class CancelRequest(msgspec.Struct, kw_only=True):
    reason: str | None = None
    notify_customer: bool | None = None


class AvailabilityRequest(msgspec.Struct, kw_only=True):
    service_id: Number
    date: Given
    staff_id: Number | None = None
    branch_id: Number | None = None


class SlotShape(msgspec.Struct):
    start: str
    end: str


class AvailabilityResponse(msgspec.Struct):
    available_slots: list[SlotShape]


def appointment_shape(row: AppointmentCard) -> AppointmentShape:
    minutes = row.service_minutes or round((row.ends_at - row.starts_at).total_seconds() / 60)
    return AppointmentShape(
        id=row.seq,
        customer=CustomerShape(
            row.customer_seq, row.known_name or row.customer_name, row.known_phone or row.customer_phone
        ),
        service=ServiceShape(row.service_seq, row.service, minutes, row.price),
        staff=StaffShape(row.resource_seq, row.resource_name),
        branch_id=row.business_seq,
        scheduled_at=z(row.starts_at),
        end_at=z(row.ends_at),
        status=row.status.value,
        notes=row.notes,
        cancellation_reason=row.cancel_reason or None,
        created_at=z(row.created_at),
        source=row.source,
    )

"""Appointments that the agent made in calls, on the clock of the business they are in."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from voicecore.api.dashboard.words import unix
from voicecore.api.kit import Exchange, Route
from voicecore.services.analyses import Analyses
from voicecore.services.appointments import Appointments

MOST = 1000
NOT_JUDGED = 0  # the call goes on, or ended this second


class AppointmentShape(msgspec.Struct, kw_only=True):
    """`quality_score` is that of the call, 1 to 5; 0 until it is judged."""

    id: str
    call_id: str
    customer_phone: str
    appointment_date: str
    appointment_time: str
    appointment_type: str
    quality_score: int
    created_at: int


class AppointmentHandlers:
    def __init__(self, appointments: Appointments, analyses: Analyses) -> None:
        self._appointments = appointments
        self._analyses = analyses

    async def listing(self, exchange: Exchange) -> list[AppointmentShape]:
        owner = exchange.organization_uid
        found = await self._appointments.made_in_calls(owner, MOST)
        made = await self._analyses.of_calls(owner, [row.call_uid for row, _ in found if row.call_uid])
        return [
            AppointmentShape(
                id=row.uid,
                call_id=row.call_uid or "",
                customer_phone=row.customer_phone,
                appointment_date=row.starts_at.astimezone(zone).date().isoformat(),
                appointment_time=clock(row.starts_at, zone),
                appointment_type=row.service,
                quality_score=made[row.call_uid].quality_score if row.call_uid in made else NOT_JUDGED,
                created_at=unix(row.created_at),
            )
            for row, zone in found
        ]

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/appointments",
                handler=self.listing,
                summary="Appointments that were made in calls, the newest booking first",
                tag="Appointments",
                response=list[AppointmentShape],
                retold=True,
            ),
        ]


def clock(at: datetime, zone: ZoneInfo) -> str:
    """ "2:00 PM": twelve hours, without a leading zero."""
    local = at.astimezone(zone)
    return f"{local.hour % 12 or 12}:{local.minute:02d} {'AM' if local.hour < 12 else 'PM'}"

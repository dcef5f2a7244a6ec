"""What happened lately in a whole organization: its calls and bookings, newest first."""

from __future__ import annotations

from voicecore.domain.calendar import AppointmentCard
from voicecore.domain.calls import Call
from voicecore.domain.paging import Page
from voicecore.services.call_file import FINISHED
from voicecore.storage import calendar, calls
from voicecore.storage.database import Database


class ActivityFeed:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, organization_uid: str, count: int, *, bookings: bool = True) -> list[Call | AppointmentCard]:
        async with self._database.read() as connection:
            found: list[Call | AppointmentCard] = [
                *(await calls.listing(connection, organization_uid, FINISHED, Page(0, count))).rows
            ]
            if bookings:
                found += await calendar.latest_cards(connection, organization_uid, count)
        return sorted(found, key=lambda one: one.created_at, reverse=True)[:count]

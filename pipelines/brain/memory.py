"""The ports kept in memory, for the console, the simulator and tests: real rules, nothing on disk.

Appointments never overlap on one resource and lie within opening hours, as with a database behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from itertools import count

import msgspec
from rapidfuzz import fuzz

from pipelines.brain.dates import local
from pipelines.brain.knowledge import Article, KnowledgeIndex
from pipelines.brain.ports import Appointment, KnowledgeHit, OpeningHours, Service, Slot, SlotTaken
from pipelines.errors import NotFound

_SAME_NAME = 82.0  # rapidfuzz ratio: names reach us through a recogniser


class MemoryKnowledge:
    def __init__(self, articles: Sequence[Article]) -> None:
        self._index = KnowledgeIndex(articles)

    async def search(self, query: str, limit: int = 3) -> list[KnowledgeHit]:
        return self._index.search(query, limit)


class MemoryCalendar:
    """`now` gives the aware current time in the business's zone; appointments start every `step_minutes`."""

    def __init__(
        self,
        services: Sequence[Service],
        hours: Sequence[OpeningHours],
        *,
        now: Callable[[], datetime],
        resources: Sequence[str] = ("1",),
        step_minutes: int = 30,
    ) -> None:
        self._services = list(services)
        self._hours = sorted(hours, key=lambda h: (h.weekday, h.opens))
        self._now = now
        self._resources = tuple(resources)
        self._step = timedelta(minutes=step_minutes)
        self._ids = count(1)
        self._booked: dict[str, tuple[Appointment, str]] = {}  # id → appointment, resource

    @property
    def appointments(self) -> list[Appointment]:
        return sorted((a for a, _ in self._booked.values()), key=lambda a: a.start)

    async def services(self) -> list[Service]:
        return list(self._services)

    async def opening_hours(self) -> list[OpeningHours]:
        return list(self._hours)

    async def availability(self, first: date, last: date, minutes: int, limit: int = 50) -> list[Slot]:
        now = self._now()
        found: list[Slot] = []
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
            for hours in (h for h in self._hours if h.weekday == day.weekday()):
                for start in self._starts(day, hours.opens, hours.closes, minutes):
                    end = start + timedelta(minutes=minutes)
                    resource = self._free_resource(start, end) if start > now else None
                    if resource is not None:
                        found.append(Slot(start, end, resource))
                        if len(found) == limit:
                            return found
        return found

    def _starts(self, day: date, opens: time, closes: time, minutes: int) -> list[datetime]:
        zone = self._now().tzinfo
        at, end = datetime.combine(day, opens), datetime.combine(day, closes)
        starts = []
        while at + timedelta(minutes=minutes) <= end:
            starts.append(local(day, at.time(), zone))
            at += self._step
        return starts

    def _free_resource(self, start: datetime, end: datetime, ignoring: str = "") -> str | None:
        busy = {
            resource
            for appointment_id, (a, resource) in self._booked.items()
            if appointment_id != ignoring and a.start < end and start < a.end
        }
        return next((r for r in self._resources if r not in busy), None)

    def _place(self, start: datetime, minutes: int, ignoring: str = "") -> tuple[datetime, str]:
        """End and resource for a start; raises SlotTaken."""
        end = start + timedelta(minutes=minutes)
        is_open = any(
            h.weekday == start.weekday() and h.opens <= start.time() and end.time() <= h.closes
            for h in self._hours
            if end.date() == start.date()
        )
        resource = self._free_resource(start, end, ignoring) if is_open and start > self._now() else None
        if resource is None:
            raise SlotTaken(f"{start:%Y-%m-%d %H:%M} is not free")
        return end, resource

    async def book(
        self, start: datetime, service: str, customer_name: str, customer_phone: str, notes: str = ""
    ) -> Appointment:
        wanted = next((s for s in self._services if s.name == service), None)
        if wanted is None:
            raise NotFound(f"no service {service!r}")
        end, resource = self._place(start, wanted.minutes)
        made = Appointment(f"A{next(self._ids)}", start, end, service, customer_name, customer_phone)
        self._booked[made.id] = (made, resource)
        return made

    async def find(self, customer_phone: str, customer_name: str = "") -> list[Appointment]:
        now, name = self._now(), customer_name.casefold()
        return [
            a
            for a in self.appointments
            if a.start > now
            and (
                (customer_phone and a.customer_phone == customer_phone)
                or (name and fuzz.ratio(name, a.customer_name.casefold()) >= _SAME_NAME)
            )
        ]

    def _existing(self, appointment_id: str) -> Appointment:
        if appointment_id not in self._booked:
            raise NotFound(f"no appointment {appointment_id!r}")
        return self._booked[appointment_id][0]

    async def move(self, appointment_id: str, start: datetime) -> Appointment:
        old = self._existing(appointment_id)
        minutes = int((old.end - old.start).total_seconds()) // 60
        end, resource = self._place(start, minutes, ignoring=appointment_id)
        moved = msgspec.structs.replace(old, start=start, end=end)
        self._booked[appointment_id] = (moved, resource)
        return moved

    async def cancel(self, appointment_id: str) -> Appointment:
        old = self._existing(appointment_id)
        del self._booked[appointment_id]
        return old


class MemoryControl:
    """Remembers what was asked of the call: `ended`, `callbacks` as (name, phone, reason), `transfers` as reasons.
    `hang_up` ends it."""

    def __init__(self, hang_up: Callable[[], None] = lambda: None) -> None:
        self._hang_up = hang_up
        self.ended = False
        self.callbacks: list[tuple[str, str, str]] = []
        self.transfers: list[str] = []

    def end_call(self) -> None:
        self.ended = True
        self._hang_up()

    async def request_callback(self, customer_name: str, customer_phone: str, reason: str) -> None:
        self.callbacks.append((customer_name, customer_phone, reason))

    async def transfer(self, reason: str) -> None:
        self.transfers.append(reason)

"""What an agent can look up and do, as the brain sees it. The server implements these on its database.

Times are aware datetimes in the business's own time zone.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Protocol

import msgspec

from pipelines.errors import ConflictError


class SlotTaken(ConflictError):
    """Somebody else has that time, or the business is closed then."""

    code = "slot_taken"


class KnowledgeHit(msgspec.Struct, frozen=True):
    article_id: str
    title: str
    content: str
    score: float  # 0..1, comparable between queries


class Service(msgspec.Struct, frozen=True):
    name: str
    minutes: int


class OpeningHours(msgspec.Struct, frozen=True):
    weekday: int  # 0 = Monday
    opens: time
    closes: time


class Slot(msgspec.Struct, frozen=True):
    start: datetime
    end: datetime
    resource_id: str


class Appointment(msgspec.Struct, frozen=True):
    id: str
    start: datetime
    end: datetime
    service: str
    customer_name: str
    customer_phone: str


class Knowledge(Protocol):
    async def search(self, query: str, limit: int = 3) -> list[KnowledgeHit]: ...


class Calendar(Protocol):
    async def services(self) -> list[Service]: ...

    async def opening_hours(self) -> list[OpeningHours]: ...

    async def availability(self, first: date, last: date, minutes: int, limit: int = 50) -> list[Slot]:
        """Free slots from `first` to `last`, both included, earliest first; none in the past."""
        ...

    async def book(
        self, start: datetime, service: str, customer_name: str, customer_phone: str, notes: str = ""
    ) -> Appointment:
        """Raises SlotTaken."""
        ...

    async def find(self, customer_phone: str, customer_name: str = "") -> list[Appointment]:
        """Upcoming appointments of a caller, earliest first. Both empty: none."""
        ...

    async def move(self, appointment_id: str, start: datetime) -> Appointment:
        """Raises SlotTaken, NotFound."""
        ...

    async def cancel(self, appointment_id: str) -> Appointment:
        """Raises NotFound."""
        ...


class CallControl(Protocol):
    def end_call(self) -> None:
        """Hang up once everything said so far was heard."""
        ...

    async def request_callback(self, customer_name: str, customer_phone: str, reason: str) -> None: ...

    async def transfer(self, reason: str) -> None:
        """Have a colleague's telephone ring; the call goes on until somebody answers there. Raises VoicecoreError:
        there is nobody, or no way."""
        ...

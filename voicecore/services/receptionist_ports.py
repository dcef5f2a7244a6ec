"""What one agent may look up and do during one call: the brain's ports on this server's services."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from rapidfuzz import fuzz

from pipelines.brain import ports
from pipelines.errors import ConflictError
from voicecore.domain import calendar, instants
from voicecore.domain.accounts import Business
from voicecore.domain.customers import CallbackRequest
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.phone import same_number
from voicecore.services.agents import RoutedAgent
from voicecore.services.appointments import Appointments, Booking, local_range
from voicecore.services.knowledge import KnowledgeBase
from voicecore.storage import customers
from voicecore.storage.database import Database

SOURCE = "ai_phone"
SAME_NAME = 85  # percent of rapidfuzz's token_sort_ratio: names come from speech recognition
DEFAULT_MINUTES = 30


def port_services(services: list[calendar.Service]) -> list[ports.Service]:
    return [ports.Service(service.name, service.minutes) for service in services]


def port_hours(rows: list[calendar.OpeningHours]) -> list[ports.OpeningHours]:
    return [ports.OpeningHours(row.weekday, _clock(row.opens), _clock(row.closes)) for row in rows]


class AgentKnowledge:
    """Implements `ports.Knowledge`: the business's articles, narrowed to the agent's knowledge bases."""

    def __init__(self, knowledge: KnowledgeBase, routed: RoutedAgent) -> None:
        self._knowledge = knowledge
        self._routed = routed

    async def search(self, query: str, limit: int = 3) -> list[ports.KnowledgeHit]:
        hits = await self._knowledge.search(
            self._routed.agent.organization_uid,
            query,
            business_uid=self._routed.business.uid,
            only=self._routed.agent.config.knowledge_base_ids,
            limit=limit,
        )
        return [
            ports.KnowledgeHit(hit.article.external_id, hit.article.title, hit.article.content, hit.score)
            for hit in hits
        ]


class AgentCalendar:
    """Implements `ports.Calendar`. What it books carries the call and the source."""

    def __init__(
        self, appointments: Appointments, business: Business, call_uid: str | None, *, source: str = SOURCE
    ) -> None:
        self._source = source
        self._appointments = appointments
        self._business = business
        self._call_uid = call_uid
        self._tz: ZoneInfo = instants.zone(business.timezone)

    async def services(self) -> list[ports.Service]:
        return port_services(await self._appointments.services(self._business))

    async def opening_hours(self) -> list[ports.OpeningHours]:
        return port_hours(await self._appointments.opening_hours(self._business))

    async def availability(self, first: date, last: date, minutes: int, limit: int = 50) -> list[ports.Slot]:
        """One slot per start, whoever of the staff is free."""
        span = local_range(self._business, first, last)
        resources = max(1, limit) * 8  # several resources may share a start
        found = await self._appointments.availability(self._business, span, minutes, limit=resources)
        slots: dict[datetime, ports.Slot] = {}
        for span, resource in found:
            start, end = span.start.astimezone(self._tz), span.end.astimezone(self._tz)
            slots.setdefault(span.start, ports.Slot(start, end, resource.external_id))
        return list(slots.values())[:limit]

    async def book(
        self, start: datetime, service: str, customer_name: str, customer_phone: str, notes: str = ""
    ) -> ports.Appointment:
        offered = {s.name.casefold(): s for s in await self._appointments.services(self._business)}
        known = offered.get(service.casefold())
        booking = Booking(
            start=start.astimezone(UTC),
            minutes=known.minutes if known else DEFAULT_MINUTES,
            service=known.name if known else service,
            customer_name=customer_name,
            customer_phone=customer_phone,
            notes=notes,
            source=self._source,
            call_uid=self._call_uid,
        )
        return self._shown(await self._appointments.book(self._business, booking))

    async def find(self, customer_phone: str, customer_name: str = "") -> list[ports.Appointment]:
        """By number; where the number has none, by name."""
        found: list[calendar.Appointment] = []
        if customer_phone:
            rows = await self._appointments.upcoming(self._business, customer_phone)
            found = [row for row in rows if same_number(row.customer_phone, customer_phone)]
        if not found and customer_name:
            rows = await self._appointments.upcoming(self._business, None)
            wanted = customer_name.casefold()
            found = [r for r in rows if fuzz.token_sort_ratio(r.customer_name.casefold(), wanted) >= SAME_NAME]
        return [self._shown(row) for row in found]

    async def move(self, appointment_id: str, start: datetime) -> ports.Appointment:
        moved = await self._appointments.move(self._business, appointment_id, start.astimezone(UTC))
        return self._shown(moved)

    async def cancel(self, appointment_id: str) -> ports.Appointment:
        return self._shown(await self._appointments.cancel(self._business, appointment_id))

    def _shown(self, row: calendar.Appointment) -> ports.Appointment:
        return ports.Appointment(
            id=row.external_id,
            start=row.starts_at.astimezone(self._tz),
            end=row.ends_at.astimezone(self._tz),
            service=row.service,
            customer_name=row.customer_name,
            customer_phone=row.customer_phone,
        )


class Callbacks:
    """Notes who wants to be called back; the gateway's call control uses it."""

    def __init__(self, database: Database, business: Business, call_uid: str | None) -> None:
        self._database = database
        self._business = business
        self._call_uid = call_uid

    async def request_callback(self, customer_name: str, customer_phone: str, reason: str) -> None:
        organization, now = self._business.organization_uid, instants.now()
        async with self._database.write() as connection:
            customer = await customers.find_or_make(connection, organization, customer_phone, customer_name, now)
            request = CallbackRequest(
                uid=new_uid(),
                organization_uid=organization,
                business_uid=self._business.uid,
                external_id=new_external_id("cb"),
                call_uid=self._call_uid,
                customer_uid=customer.uid if customer else None,
                customer_name=customer_name,
                customer_phone=customer_phone,
                reason=reason,
                created_at=now,
            )
            await customers.add_callback(connection, request)


def _clock(minutes: int) -> time:
    return time(23, 59) if minutes >= calendar.MINUTES_A_DAY else time(minutes // 60, minutes % 60)


class NoTelephone:
    """`ports.CallControl` without a telephone: there is nothing to hang up."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks

    def end_call(self) -> None: ...

    async def request_callback(self, customer_name: str, customer_phone: str, reason: str) -> None:
        await self._callbacks.request_callback(customer_name, customer_phone, reason)

    async def transfer(self, reason: str) -> None:
        raise ConflictError("this is no telephone call")

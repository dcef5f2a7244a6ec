"""Finished calls with everything that is known around them: who it was, what was said, made of it and booked.

Lists read each kind of fact once for the whole page.
"""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound
from voicecore.domain.agents import AgentVersion
from voicecore.domain.analyses import Analysis
from voicecore.domain.calendar import AppointmentCard
from voicecore.domain.calls import NEWEST, Call, CallFilter, CallOrder, CallStatus, Recording, StoredTurn
from voicecore.domain.customer_figures import CustomerCard
from voicecore.domain.paging import Listing, Page
from voicecore.domain.transcripts import joined
from voicecore.storage import agents, analyses, calendar, customer_figures
from voicecore.storage import calls as rows
from voicecore.storage.database import Database

MISSING = "call not found"
FINISHED = CallFilter(statuses=(CallStatus.ENDED,))


class CallCard(msgspec.Struct, frozen=True, kw_only=True):
    """`agent` is as it was then; `analysis` None: not made yet."""

    call: Call
    turns: list[StoredTurn]
    appointments: list[AppointmentCard]
    customer: CustomerCard | None = None
    recording: Recording | None = None
    analysis: Analysis | None = None
    agent: AgentVersion | None = None

    @property
    def transcript(self) -> str:
        return self.call.transcript or joined(self.turns)

    @property
    def summary(self) -> str | None:
        """What is known: others may have reported one as notes."""
        return (self.analysis.summary if self.analysis else "") or self.call.notes or None


class CallFile:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(
        self, organization_uid: str, wanted: CallFilter, page: Page, order: CallOrder = NEWEST
    ) -> Listing[CallCard]:
        async with self._database.read() as connection:
            found = await rows.listing(connection, organization_uid, wanted, page, order)
            return Listing(await _cards(connection, organization_uid, found.rows), found.total)

    async def get(self, organization_uid: str, uid: str) -> CallCard:
        """Raises NotFound, also for a call that is not over."""
        wanted = CallFilter(statuses=FINISHED.statuses, uid=uid)
        found = await self.listing(organization_uid, wanted, Page(0, 1))
        if not found.rows:
            raise NotFound(MISSING)
        return found.rows[0]


async def _cards(connection: AsyncConnection, organization_uid: str, found: list[Call]) -> list[CallCard]:
    if not found:
        return []
    uids = [call.uid for call in found]
    whose = sorted({call.customer_uid for call in found if call.customer_uid is not None})
    asked = sorted({call.agent_uid for call in found if call.agent_uid is not None})
    turns = await rows.turns_of_calls(connection, uids)
    recordings = await rows.recordings_of(connection, organization_uid, uids)
    made = await analyses.of_calls(connection, organization_uid, uids)
    known = await customer_figures.of_customers(connection, organization_uid, whose)
    versions = await agents.versions_of(connection, organization_uid, asked)
    booked: dict[str | None, list[AppointmentCard]] = {}
    for appointment in await calendar.cards_of_calls(connection, organization_uid, uids):
        booked.setdefault(appointment.call_uid, []).append(appointment)
    return [
        CallCard(
            call=call,
            turns=turns.get(call.uid, []),
            appointments=booked.get(call.uid, []),
            customer=known.get(call.customer_uid or ""),
            recording=recordings.get(call.uid),
            analysis=made.get(call.uid),
            agent=versions.get((call.agent_uid or "", call.agent_version)),
        )
        for call in found
    ]

"""What happened between the organization and one customer, whatever recorded it: logged interactions, calls with him or
his number, appointments and text conversations. Nothing is stored for it."""

from __future__ import annotations

from datetime import datetime

from pipelines.errors import NotFound
from voicecore.domain.calendar import Appointment, AppointmentFilter
from voicecore.domain.calls import Call
from voicecore.domain.conversations import Conversation
from voicecore.domain.interactions import Interaction
from voicecore.domain.paging import Listing, Page
from voicecore.services.customer_file import MISSING
from voicecore.storage import calendar, calls, conversations, customers, interactions
from voicecore.storage.database import Database

MOST_APPOINTMENTS = 1000  # of one customer

Activity = Interaction | Call | Appointment | Conversation


class Activities:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_customer(self, organization_uid: str, customer_seq: int, page: Page) -> Listing[Activity]:
        """Newest first. Raises NotFound, also for another organization's customer."""
        async with self._database.read() as connection:
            customer = await customers.with_seq(connection, organization_uid, customer_seq)
            if customer is None:
                raise NotFound(MISSING)
            his = AppointmentFilter(customer_uid=customer.uid)
            booked = await calendar.listing(connection, organization_uid, his, Page(0, MOST_APPOINTMENTS))
            others: list[Activity] = [
                *await interactions.of_customer(connection, customer.uid),
                *booked.rows,
                *await conversations.of_person(connection, organization_uid, customer.phone, [customer.uid]),
            ]
            # Calls are what may be many: only those that are shown are read.
            found: list[tuple[datetime, Activity | int]] = [
                *await conversations.calls_with(connection, customer),
                *((one.created_at, one) for one in others),
            ]
            found.sort(key=lambda one: one[0], reverse=True)
            shown = [one for _, one in found[page.offset : page.offset + page.count]]
            read = await calls.with_seqs(connection, organization_uid, [one for one in shown if isinstance(one, int)])
        rows = [read.get(one) if isinstance(one, int) else one for one in shown]
        return Listing([row for row in rows if row is not None], len(found))  # one may have gone meanwhile

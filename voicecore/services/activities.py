"""What happened between the organization and one customer, whatever recorded it: logged interactions, calls with him or
his number, appointments and text conversations. Nothing is stored for it."""

from __future__ import annotations

from pipelines.errors import NotFound
from voicecore.domain.calendar import Appointment, AppointmentFilter
from voicecore.domain.calls import Call, CallStatus
from voicecore.domain.conversations import Conversation
from voicecore.domain.interactions import Interaction
from voicecore.domain.paging import Listing, Page
from voicecore.services.customer_file import MISSING
from voicecore.storage import calendar, conversations, customers, interactions
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
            number = customer.phone
            his = AppointmentFilter(customer_uid=customer.uid)
            booked = await calendar.listing(connection, organization_uid, his, Page(0, MOST_APPOINTMENTS))
            called = await conversations.calls_of_number(connection, organization_uid, number, customer.uid)
            found: list[Activity] = [
                *await interactions.of_customer(connection, customer.uid),
                *(call for call in called if call.status is not CallStatus.SCHEDULED),
                *booked.rows,
                *await conversations.of_person(connection, organization_uid, number, [customer.uid]),
            ]
        found.sort(key=lambda one: one.created_at, reverse=True)
        return Listing(found[page.offset : page.offset + page.count], len(found))

"""Reading calls: lists with filters, one call with everything that hangs on it, recordings."""

from __future__ import annotations

import msgspec

from pipelines.errors import NotFound
from pipelines.machines.speculation import Ledger
from voicecore.domain.calendar import Appointment, AppointmentFilter
from voicecore.domain.calls import Call, CallFilter, Recording, StoredEvent, StoredTurn
from voicecore.domain.paging import Listing, Page
from voicecore.storage import calendar
from voicecore.storage import calls as rows
from voicecore.storage.database import Database

MOST_APPOINTMENTS = 100


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    call: Call
    turns: list[StoredTurn]
    events: list[StoredEvent]
    appointments: list[Appointment]
    recording: Recording | None = None


class CallPage(msgspec.Struct, frozen=True, kw_only=True):
    """Recordings by call uid, without waveforms."""

    listing: Listing[Call]
    recordings: dict[str, Recording]


class Calls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(self, organization_uid: str, wanted: CallFilter, page: Page) -> CallPage:
        """Newest first."""
        async with self._database.read() as connection:
            listing = await rows.listing(connection, organization_uid, wanted, page)
            uids = [call.uid for call in listing.rows]
            recordings = await rows.recordings_of(connection, organization_uid, uids) if uids else {}
        return CallPage(listing=listing, recordings=recordings)

    async def get(self, organization_uid: str, call_id: str) -> CallDetail:
        """Raises NotFound, also for another organization's call."""
        async with self._database.read() as connection:
            call = await rows.find(connection, organization_uid, call_id)
            if call is None:
                raise NotFound("call not found")
            booked = await calendar.listing(
                connection, organization_uid, AppointmentFilter(call_uid=call.uid), Page(0, MOST_APPOINTMENTS)
            )
            recordings = await rows.recordings_of(connection, organization_uid, [call.uid])
            return CallDetail(
                call=call,
                turns=await rows.turns_of(connection, call.uid),
                events=await rows.events_of(connection, call.uid),
                appointments=booked.rows,
                recording=recordings.get(call.uid),
            )

    async def speculation(self, organization_uid: str, wanted: CallFilter) -> list[tuple[str, Ledger]]:
        """Sums over the ended calls that `listing` would list, by agent id."""
        async with self._database.read() as connection:
            return await rows.speculation(connection, organization_uid, wanted)

    async def recording(self, recording_id: str, organization_uid: str | None) -> Recording:
        """`organization_uid` None: the caller holds a signature for this recording. Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.recording(connection, recording_id, organization_uid)
        if found is None:
            raise NotFound("recording not found")
        return found

"""Calls for clients: lists, sums over them, one call with everything that hangs on it, recordings, and calls that
others held and report here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound
from pipelines.events import EndReason
from pipelines.machines.speculation import Ledger
from pipelines.usage import Usage
from voicecore.domain import instants
from voicecore.domain.accounts import Line
from voicecore.domain.agents import Agent
from voicecore.domain.analyses import Analysis
from voicecore.domain.calendar import Appointment, AppointmentFilter
from voicecore.domain.call_overview import CallOverview
from voicecore.domain.call_sums import CallTotals
from voicecore.domain.calls import (
    HELD_ELSEWHERE,
    Call,
    CallFilter,
    CallStatus,
    Direction,
    LoggedCall,
    Outcome,
    Recording,
    StoredEvent,
    StoredTurn,
)
from voicecore.domain.counted import Counted
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.storage import agents, analyses, businesses, calendar, call_overview, customers, figures, spreads
from voicecore.storage import calls as rows
from voicecore.storage.database import Database
from voicecore.storage.numbers import uid_of

MISSING = "call not found"
MOST_APPOINTMENTS = 100


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """`party_name`: of the other party, as he gave it, else as we know him."""

    call: Call
    party_name: str = ""
    turns: list[StoredTurn]
    events: list[StoredEvent]
    appointments: list[Appointment]
    recording: Recording | None = None
    analysis: Analysis | None = None


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

    async def overview(self, organization_uid: str, wanted: CallFilter, page: Page) -> list[CallOverview]:
        """The few facts that a long list of ended calls shows, newest first."""
        async with self._database.read() as connection:
            return await call_overview.overview(connection, organization_uid, wanted, page)

    async def party_names(self, listed: Sequence[Call]) -> dict[str, str]:
        """Of the calls of a list, by uid: as the other party gave it, else as we know him."""
        async with self._database.read() as connection:
            return await _party_names(connection, listed)

    async def get(self, organization_uid: str, call_id: str) -> CallDetail:
        """Raises NotFound, also for another organization's call."""
        async with self._database.read() as connection:
            return await _detail(connection, await rows.find(connection, organization_uid, call_id))

    async def named(self, organization_uid: str, call_id: str, seq: int | None) -> Call:
        """By its id, else by its number. Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.find(connection, organization_uid, call_id)
            if found is None and seq is not None:
                uid = await uid_of(connection, organization_uid, Counted.CALL, seq)
                found = await rows.with_uid(connection, organization_uid, uid) if uid else None
        if found is None:
            raise NotFound(MISSING)
        return found

    async def with_uid(self, organization_uid: str, uid: str) -> CallDetail:
        """As `get`, by the uuid. Raises NotFound."""
        async with self._database.read() as connection:
            return await _detail(connection, await rows.with_uid(connection, organization_uid, uid))

    async def speculation(self, organization_uid: str, wanted: CallFilter) -> list[tuple[str, Ledger]]:
        """Sums over the ended calls that `listing` would list, by agent id."""
        async with self._database.read() as connection:
            return await rows.speculation(connection, organization_uid, wanted)

    async def usage(self, organization_uid: str, wanted: CallFilter) -> list[tuple[str, Usage]]:
        """Sums over the ended calls that `listing` would list, by agent id."""
        async with self._database.read() as connection:
            return await rows.usage(connection, organization_uid, wanted)

    async def totals(self, organization_uid: str, wanted: CallFilter) -> CallTotals:
        """Sums over what `listing` would list."""
        async with self._database.read() as connection:
            return await figures.totals(connection, organization_uid, wanted)

    async def per_day(
        self, organization_uid: str, wanted: CallFilter, days: int, tz: ZoneInfo
    ) -> list[tuple[date, int]]:
        """How many of the listed calls began on each of the last days up to today, by this time zone's calendar. The
        newest first; days without a call are left out."""
        today = instants.now().astimezone(tz).date()
        begin = instants.day_start(today - timedelta(days=days - 1), tz)
        end = instants.day_start(today + timedelta(days=1), tz)
        wanted = msgspec.structs.replace(wanted, from_at=begin, before_at=end)
        async with self._database.read() as connection:
            found = await spreads.calls_per_day(connection, organization_uid, wanted, instants.clock(begin, end, tz))
        return sorted(found.items(), reverse=True)

    async def log(self, logged: LoggedCall, organization_uid: str | None) -> Call:
        """Store a call that others held. `organization_uid` None: whoever owns the business, for agents that cannot
        prove who they are. Raises NotFound."""
        async with self._database.append() as connection:
            if organization_uid is None:
                line = await businesses.line_of_anybody(connection, logged.business_uid)
            else:
                line = await businesses.line(connection, organization_uid, logged.business_uid)
            if line is None:
                raise NotFound("business not found")
            mine = await agents.of_business(connection, line.organization_uid, line.uid)
            call = _held_elsewhere(logged, line, mine[0] if mine else None)
            await rows.add(connection, call)
        return call

    async def recording(self, recording_id: str, organization_uid: str | None) -> Recording:
        """`organization_uid` None: the caller holds a signature for this recording. Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.recording(connection, recording_id, organization_uid)
        if found is None:
            raise NotFound("recording not found")
        return found


async def _detail(connection: AsyncConnection, call: Call | None) -> CallDetail:
    if call is None:
        raise NotFound(MISSING)
    owner = call.organization_uid
    booked = await calendar.listing(connection, owner, AppointmentFilter(call_uid=call.uid), Page(0, MOST_APPOINTMENTS))
    recordings = await rows.recordings_of(connection, owner, [call.uid])
    return CallDetail(
        call=call,
        party_name=(await _party_names(connection, [call])).get(call.uid, ""),
        turns=await rows.turns_of(connection, call.uid),
        events=await rows.events_of(connection, call.uid),
        appointments=booked.rows,
        recording=recordings.get(call.uid),
        analysis=(await analyses.of_calls(connection, owner, [call.uid])).get(call.uid),
    )


async def _party_names(connection: AsyncConnection, found: Sequence[Call]) -> dict[str, str]:
    """By call; of those in which nobody gave a name, that of the customer whom we know."""
    whose = {call.customer_uid for call in found if call.customer_uid is not None and not call.party_name}
    known = await customers.names(connection, whose) if whose else {}
    return {call.uid: call.party_name or known.get(call.customer_uid or "", "") for call in found}


def _held_elsewhere(logged: LoggedCall, line: Line, agent: Agent | None) -> Call:
    facts = msgspec.structs.asdict(logged)
    duration_s, caller = facts.pop("duration_s"), facts.pop("party_number")
    now = instants.now()
    return Call(
        uid=new_uid(),
        organization_uid=line.organization_uid,
        external_id=new_external_id("call"),
        direction=Direction.INBOUND,
        status=CallStatus.ENDED,
        from_number=caller,
        to_number=line.number,
        agent_uid=agent.uid if agent else None,
        agent_id=agent.external_id if agent else "",
        agent_version=agent.version if agent else 0,
        transport=HELD_ELSEWHERE,
        end_reason=EndReason.CALLER_HANGUP,
        outcome=Outcome.COMPLETED,
        created_at=now,
        answered_at=now - timedelta(seconds=duration_s),
        ended_at=now,
        **facts,
    )

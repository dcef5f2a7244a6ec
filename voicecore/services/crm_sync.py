"""What is sent of finished calls to CRMs: which calls are due, what they look like there, what became of them. It does
not know how it is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound
from voicecore.domain import instants, phone
from voicecore.domain.calls import Direction, Outcome
from voicecore.domain.integrations import CrmKind, CrmRecord, Integration, PushedCall, SyncLog
from voicecore.domain.paging import Listing, Page
from voicecore.services.attempts import LEASE, standing
from voicecore.services.call_file import CallCard, CallFile
from voicecore.storage import integrations, sync_logs
from voicecore.storage.database import Database

# So long a person whom we filed may be missing from a vendor's search.
FRESH = timedelta(hours=1)


class DueSync(msgspec.Struct, frozen=True):
    """An attempt to be made."""

    log: SyncLog
    integration: Integration


class CrmSync:
    def __init__(self, database: Database, calls: CallFile) -> None:
        self._database = database
        self._calls = calls

    async def due(self, at: datetime, most: int) -> list[DueSync]:
        """What is to be sent now; nobody else gets it meanwhile."""
        async with self._database.read() as connection:
            if not await sync_logs.queue.any_due(connection, at):
                return []
        found: list[DueSync] = []
        async with self._database.append() as connection:
            for log in await sync_logs.queue.claim(connection, at, at + LEASE, most):
                integration = await integrations.by_uid(connection, log.integration_uid)
                assert integration is not None  # a foreign key says so
                found.append(DueSync(log, integration))
        return found

    async def call(self, log: SyncLog) -> PushedCall | None:
        """None: it is gone, or nobody's number is on it."""
        try:
            card = await self._calls.get(log.organization_uid, log.call_uid)
        except NotFound:
            return None
        return _pushed(card, log) if phone.digits(card.call.party_number) else None

    async def filed_lately(self, log: SyncLog) -> CrmRecord | None:
        """The person of this number, if another call of his was filed a moment ago."""
        async with self._database.read() as connection:
            return await sync_logs.filed_since(connection, log, instants.now() - FRESH)

    async def known(self, log: SyncLog, record: CrmRecord) -> None:
        """Whose call it was: no later attempt looks for him, or makes him again."""
        async with self._database.append() as connection:
            await sync_logs.known_record(connection, log.uid, record)

    async def settle(
        self, log: SyncLog, error: str, *, activity_id: str = "", final: bool = False, retry_after_s: float = 0.0
    ) -> SyncLog:
        """One attempt is over; `error` "" when it succeeded. `final`: no other attempt can help."""
        now_at = msgspec.structs.asdict(standing(log.attempts, error, final=final, retry_after_s=retry_after_s))
        settled = msgspec.structs.replace(log, activity_id=activity_id or log.activity_id, **now_at)
        async with self._database.append() as connection:
            await sync_logs.queue.settle(connection, log.uid, settled)
        return settled

    async def listing(self, organization_uid: str, kind: CrmKind, page: Page) -> Listing[SyncLog]:
        """Newest first."""
        async with self._database.read() as connection:
            return await sync_logs.listing(connection, organization_uid, kind, page)

    async def find(self, organization_uid: str, kind: CrmKind, log_id: str) -> SyncLog:
        """Raises NotFound."""
        async with self._database.read() as connection:
            return await _found(connection, organization_uid, kind, log_id)

    async def again(self, organization_uid: str, kind: CrmKind, log_id: str) -> SyncLog:
        """From its first attempt on. Raises NotFound."""
        async with self._database.append() as connection:
            await _found(connection, organization_uid, kind, log_id)
            again = await sync_logs.queue.again(connection, organization_uid, log_id, instants.now())
        assert again is not None  # it was there in the same transaction
        return again


async def _found(connection: AsyncConnection, organization_uid: str, kind: CrmKind, log_id: str) -> SyncLog:
    """Raises NotFound."""
    integration = await integrations.find(connection, organization_uid, kind)
    found = await sync_logs.find(connection, organization_uid, log_id)
    if integration is None or found is None or found.integration_uid != integration.uid:
        raise NotFound("sync log not found")
    return found


def _pushed(card: CallCard, log: SyncLog) -> PushedCall:
    call = card.call
    outgoing = call.direction is Direction.OUTBOUND
    ended_at = call.ended_at or call.created_at
    said = [part for part in (card.summary or "", card.transcript) if part]
    return PushedCall(
        call_uid=call.uid,
        log_uid=log.uid,
        number=call.party_number,
        name=call.party_name or (card.customer.customer.name if card.customer else ""),
        our_number=call.from_number if outgoing else call.to_number,
        agent=card.agent.name if card.agent else "",
        outgoing=outgoing,
        answered=call.outcome is not Outcome.MISSED,
        failed=call.outcome is Outcome.FAILED,
        started_at=call.answered_at or call.created_at,
        ended_at=ended_at,
        duration_s=call.duration_s,
        text="\n\n".join(said),
    )

"""Rows of what is sent to CRMs of finished calls: an outbox, and its history.

`enqueue` belongs into the transaction that ends the call: either both are stored or neither.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import instants, phone
from voicecore.domain.calls import Call
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.integrations import CrmKind, CrmRecord, Integration, SyncLog
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import DeliveryState
from voicecore.storage import records
from voicecore.storage.schema import calls, integrations, sync_logs
from voicecore.storage.sending import Queue

# What is found out about a call after its end is to be in what is sent.
PATIENCE = timedelta(seconds=20)

queue = Queue(sync_logs, SyncLog, ("state", "attempts", "next_at", "last_error", "activity_id"))


async def enqueue(connection: AsyncConnection, call_uid: str) -> None:
    """One row for each CRM that the workspace is connected to. A call without the other party's number has nobody to
    be filed under."""
    connected = (
        sa.select(integrations)
        .join(calls, calls.c.organization_uid == integrations.c.organization_uid)
        .where(calls.c.uid == call_uid, integrations.c.connected_at.is_not(None))
    )
    found = await records.every(connection, Integration, connected)
    if not found:
        return
    call = await records.first(connection, Call, sa.select(calls).where(calls.c.uid == call_uid))
    assert call is not None
    now = instants.now()
    for integration in found if phone.digits(call.party_number) else []:
        log = SyncLog(
            uid=new_uid(),
            organization_uid=call.organization_uid,
            external_id=new_external_id("sync"),
            integration_uid=integration.uid,
            call_uid=call.uid,
            phone_number=call.party_number,
            next_at=now + PATIENCE,
            created_at=now,
        )
        await records.insert(connection, sync_logs, log)


async def listing(connection: AsyncConnection, organization_uid: str, kind: CrmKind, page: Page) -> Listing[SyncLog]:
    """Newest first."""
    mine = sa.select(integrations.c.uid).where(
        integrations.c.organization_uid == organization_uid, integrations.c.kind == kind.value
    )
    conditions: list[sa.ColumnElement[bool]] = [sync_logs.c.integration_uid.in_(mine)]
    query = sa.select(sync_logs).where(*conditions).order_by(sync_logs.c.seq.desc())
    found = await records.every(connection, SyncLog, query.offset(page.offset).limit(page.count))
    return Listing(found, await records.count(connection, sync_logs, conditions))


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> SyncLog | None:
    query = sa.select(sync_logs).where(
        sync_logs.c.organization_uid == organization_uid, sync_logs.c.external_id == external_id
    )
    return await records.first(connection, SyncLog, query)


async def filed_since(connection: AsyncConnection, log: SyncLog, since: datetime) -> CrmRecord | None:
    """Under whom another call of the same number was filed there, if its row is not older than this."""
    query = sa.select(sync_logs).where(
        sync_logs.c.integration_uid == log.integration_uid,
        sync_logs.c.phone_number == log.phone_number,
        sync_logs.c.record_id != "",
        sync_logs.c.created_at >= since,
        sync_logs.c.uid != log.uid,
    )
    found = await records.first(connection, SyncLog, query.order_by(sync_logs.c.seq.desc()))
    return None if found is None else CrmRecord(id=found.record_id, kind=found.record_kind)


async def known_record(connection: AsyncConnection, uid: str, record: CrmRecord) -> None:
    """Whose call it was: from now on no attempt looks for him."""
    values = {"record_id": record.id, "record_kind": record.kind, "created_new": record.created}
    await connection.execute(sa.update(sync_logs).where(sync_logs.c.uid == uid).values(**values))


async def give_up(connection: AsyncConnection, integration_uid: str, reason: str) -> None:
    """Whatever waits for this connection is not sent."""
    waiting = (sync_logs.c.integration_uid == integration_uid, sync_logs.c.next_at.is_not(None))
    values = {"state": DeliveryState.DEAD.value, "next_at": None, "last_error": reason}
    await connection.execute(sa.update(sync_logs).where(*waiting).values(**values))


async def forget_persons(connection: AsyncConnection, call_uids: list[str]) -> None:
    """The rows stay, without the number, and what waits is not sent."""
    of_calls = sync_logs.c.call_uid.in_(call_uids)
    await connection.execute(sa.update(sync_logs).where(of_calls).values(phone_number="", last_error=""))
    waiting = {"state": DeliveryState.DEAD.value, "next_at": None}
    await connection.execute(sa.update(sync_logs).where(of_calls, sync_logs.c.next_at.is_not(None)).values(**waiting))

"""Rows of calls that we make: which are due, and the steps of a call before anybody speaks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.events import EndReason, EventKind
from voicecore.domain import instants
from voicecore.domain.calls import Call, CallStatus, StoredEvent, outcome
from voicecore.domain.dialling import UNANSWERED, Dial, DueCall
from voicecore.storage import calls as call_rows
from voicecore.storage import records
from voicecore.storage.schema import call_events, calls, dials, phone_numbers
from voicecore.storage.sums import note_old


async def add(connection: AsyncConnection, call: Call, dial: Dial) -> None:
    await call_rows.add(connection, call)
    await records.insert(connection, dials, dial)


async def of_call(connection: AsyncConnection, call_uid: str) -> DueCall | None:
    """A placed call; None for one that somebody else began."""
    call = await call_rows.by_uid(connection, call_uid)
    dial = await records.first(connection, Dial, sa.select(dials).where(dials.c.call_uid == call_uid))
    return None if call is None or dial is None else DueCall(call, dial)


async def any_due(connection: AsyncConnection, at: datetime) -> bool:
    """Asked every second: no write transaction for nothing."""
    return (await connection.execute(sa.select(dials.c.seq).where(dials.c.next_at <= at).limit(1))).first() is not None


async def claim(connection: AsyncConnection, at: datetime, until: datetime, most: int) -> list[DueCall]:
    """What is due, for the caller alone until then: if he dies, it is due again."""
    query = sa.select(dials).where(dials.c.next_at <= at).order_by(dials.c.next_at, dials.c.seq).limit(most)
    mine: list[DueCall] = []
    for dial in await records.every(connection, Dial, query):
        statement = sa.update(dials).where(dials.c.uid == dial.uid, dials.c.next_at == dial.next_at)
        if (await connection.execute(statement.values(next_at=until))).rowcount == 1:
            call = await call_rows.by_uid(connection, dial.call_uid)
            assert call is not None  # a foreign key says so
            mine.append(DueCall(call, msgspec.structs.replace(dial, next_at=until)))
    return mine


async def under_way(connection: AsyncConnection) -> int:
    """How many calls that were dialled are not over, of all organizations: lines of the carrier that are taken."""
    query = (
        sa.select(sa.func.count())
        .select_from(dials.join(calls, calls.c.uid == dials.c.call_uid))
        .where(calls.c.status != CallStatus.ENDED.value, dials.c.dialled_at.is_not(None))
    )
    return (await connection.execute(query)).scalar_one()


async def change(connection: AsyncConnection, dial: Dial, **changes: Any) -> None:
    await connection.execute(sa.update(dials).where(dials.c.uid == dial.uid).values(**changes))


async def begin(connection: AsyncConnection, dial: Dial, at: datetime, until: datetime) -> bool:
    """Mark it as dialled; look at it again at `until`. False: somebody else has."""
    statement = sa.update(dials).where(dials.c.uid == dial.uid, dials.c.dialled_at.is_(None))
    values = {"dialled_at": at, "next_at": until, "attempts": dial.attempts + 1}
    return (await connection.execute(statement.values(values))).rowcount == 1


async def step(
    connection: AsyncConnection, call_uid: str, before: Iterable[CallStatus], changes: dict[str, Any]
) -> bool:
    """Change a call that is in one of these states. False, and nothing was done, when it is further already."""
    return await call_rows.update_call(connection, call_uid, changes, before=before)


async def queue(connection: AsyncConnection, call: Call, at: datetime) -> bool:
    """It is this call's turn: one that was to begin later begins now. False: it is over, or further already."""
    changes: dict[str, Any] = {"status": CallStatus.QUEUED.value}
    if call.status is CallStatus.SCHEDULED:
        changes["created_at"] = at
        note_old(connection, call.created_at)
    return await step(connection, call.uid, (CallStatus.SCHEDULED, CallStatus.QUEUED), changes)


async def connected(connection: AsyncConnection, call_uid: str) -> bool:
    """Nobody has to look at it any more. False: it is over, or that has happened already."""
    unanswered = sa.select(calls.c.uid).where(
        calls.c.uid == call_uid, calls.c.status.in_([status.value for status in UNANSWERED])
    )
    statement = sa.update(dials).where(dials.c.call_uid.in_(unanswered), dials.c.next_at.is_not(None))
    return (await connection.execute(statement.values(next_at=None))).rowcount == 1


def ended(reason: EndReason, at: datetime) -> dict[str, Any]:
    """What changes of a call that ends before anybody answered."""
    return {
        "status": CallStatus.ENDED.value,
        "ended_at": at,
        "end_reason": reason.value,
        "outcome": outcome(reason, answered=False).value,
    }


async def end(connection: AsyncConnection, call_uid: str, changes: dict[str, Any]) -> bool:
    """End a call that nobody has answered, and look at it no more. False when somebody has, or it had ended."""
    done = await step(connection, call_uid, UNANSWERED, changes)
    if done:
        await connection.execute(sa.update(dials).where(dials.c.call_uid == call_uid).values(next_at=None))
    return done


async def note(connection: AsyncConnection, call_uid: str, kind: EventKind, at_ms: float, data: dict[str, Any]) -> None:
    """On the call's timeline."""
    event = StoredEvent(call_uid=call_uid, kind=kind.value, at_ms=at_ms, data=data)
    await connection.execute(sa.insert(call_events).values(**records.columns_of(call_events, event)))


async def number_owner(connection: AsyncConnection, digits: str) -> str | None:
    """The organization that a number rings for."""
    query = sa.select(phone_numbers.c.organization_uid).where(phone_numbers.c.digits == digits)
    return (await connection.execute(query)).scalar()


async def first_number(connection: AsyncConnection, organization_uid: str) -> str:
    """The organization's oldest number, as it was written; "" when it has none."""
    query = sa.select(phone_numbers.c.number).where(phone_numbers.c.organization_uid == organization_uid)
    return (await connection.execute(query.order_by(phone_numbers.c.seq).limit(1))).scalar() or ""


async def known_as(connection: AsyncConnection, organization_uid: str, name: str) -> Call | None:
    """The newest outbound or inbound call that goes by this carrier's sid or id, if it is this organization's."""
    query = sa.select(calls).where(
        calls.c.organization_uid == organization_uid, sa.or_(calls.c.sid == name, calls.c.external_id == name)
    )
    return await records.first(connection, Call, query.order_by(calls.c.seq.desc()))


async def taken_elsewhere(connection: AsyncConnection, organization_uid: str, name: str) -> bool:
    """Does another organization's running call go by this name?"""
    query = sa.select(calls.c.seq).where(
        calls.c.organization_uid != organization_uid,
        calls.c.status != CallStatus.ENDED.value,
        sa.or_(calls.c.sid == name, calls.c.external_id == name),
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def withdraw(connection: AsyncConnection, call_uids: list[str]) -> None:
    """Calls that are yet to be dialled go: nothing has happened, so no figure knows them, and none may learn of it."""
    undialled = sa.select(dials.c.call_uid).where(dials.c.call_uid.in_(call_uids), dials.c.dialled_at.is_(None))
    unanswered = calls.c.status.in_([status.value for status in UNANSWERED])
    await connection.execute(sa.delete(calls).where(calls.c.uid.in_(undialled), unanswered))


async def forget_persons(connection: AsyncConnection, call_uids: list[str]) -> None:
    """Nobody is called any more who wants to be forgotten, and no number is kept."""
    now = instants.now()
    for uid in call_uids:
        await end(connection, uid, ended(EndReason.CANCELLED, now))
    nothing: dict[str, Any] = {"dialled_number": "", "caller_number": "", "next_at": None}
    await connection.execute(sa.update(dials).where(dials.c.call_uid.in_(call_uids)).values(**nothing))

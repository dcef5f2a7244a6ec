"""Finding a person in all tables, and taking him out of them so that figures stay what they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.customers import Customer
from voicecore.domain.ids import new_external_id
from voicecore.domain.privacy import PrivacyRequest, RequestState, Traces
from voicecore.storage import analyses, audit, dials, outbox, records, sync_logs
from voicecore.storage import conversations as talks
from voicecore.storage.schema import (
    appointments,
    audio_files,
    call_events,
    callback_requests,
    calls,
    conversations,
    customers,
    interactions,
    privacy_requests,
    recordings,
    turns,
)

STATISTICS = ("sentiment", "topics")  # members of a call's metadata that say nothing of the person


async def add(connection: AsyncConnection, request: PrivacyRequest) -> None:
    await records.insert(connection, privacy_requests, request)


async def find(connection: AsyncConnection, external_id: str, organization_uid: str | None) -> PrivacyRequest | None:
    """Without an organization only for a bearer of a signed URL, which names this very request's file."""
    query = sa.select(privacy_requests).where(privacy_requests.c.external_id == external_id)
    if organization_uid is not None:
        query = query.where(privacy_requests.c.organization_uid == organization_uid)
    return await records.first(connection, PrivacyRequest, query)


async def pending(connection: AsyncConnection) -> PrivacyRequest | None:
    query = sa.select(privacy_requests).where(privacy_requests.c.state == RequestState.PROCESSING.value)
    return await records.first(connection, PrivacyRequest, query.order_by(privacy_requests.c.seq))


async def expired(connection: AsyncConnection, at: datetime) -> list[PrivacyRequest]:
    """Whose files are to be removed."""
    query = sa.select(privacy_requests).where(privacy_requests.c.expires_at <= at)
    return await records.every(connection, PrivacyRequest, query)


async def finish(
    connection: AsyncConnection, uid: str, state: RequestState, at: datetime, expires_at: datetime
) -> bool:
    """False when it is not wanted any more, or somebody else finished it."""
    statement = sa.update(privacy_requests).where(
        privacy_requests.c.uid == uid, privacy_requests.c.state == RequestState.PROCESSING.value
    )
    expiry = expires_at if state is RequestState.COMPLETED else None
    done = await connection.execute(statement.values(state=state.value, finished_at=at, expires_at=expiry))
    if done.rowcount == 1:
        return True
    found = sa.select(privacy_requests.c.state).where(privacy_requests.c.uid == uid)
    return (await connection.execute(found)).scalar() == state.value


async def forget_file(connection: AsyncConnection, uid: str) -> None:
    await connection.execute(sa.update(privacy_requests).where(privacy_requests.c.uid == uid).values(expires_at=None))


# --- where a person appears -----------------------------------------------------------------------


async def calls_of(connection: AsyncConnection, customer: Customer) -> list[str]:
    """Uids of the calls with his number, of those in which something was made for him, and of those said to be his."""
    column, organization = calls.c, customer.organization_uid
    found = {call.uid for call in await talks.calls_of_number(connection, organization, customer.phone)}
    for table in (appointments, callback_requests):
        query = sa.select(table.c.call_uid).where(table.c.customer_uid == customer.uid, table.c.call_uid.is_not(None))
        found |= set((await connection.execute(query)).scalars())
    named = sa.select(column.uid).where(
        column.organization_uid == organization, column.metadata["customer_id"].as_string() == customer.external_id
    )
    known = sa.select(column.uid).where(column.organization_uid == organization, column.customer_uid == customer.uid)
    for query in (named, known):
        found |= set((await connection.execute(query)).scalars())
    return sorted(found)


async def traces(connection: AsyncConnection, customer: Customer) -> Traces:
    call_uids = await calls_of(connection, customer)
    spoken = await talks.of_person(connection, customer.organization_uid, customer.phone, [customer.uid])
    talk_uids = [talk.uid for talk in spoken]
    tapes = sa.select(recordings.c.path).where(recordings.c.call_uid.in_(call_uids))
    audio = sa.select(audio_files.c.external_id, audio_files.c.format).where(
        audio_files.c.conversation_uid.in_(talk_uids)
    )
    exports = sa.select(privacy_requests.c.external_id).where(privacy_requests.c.customer_uid == customer.uid)
    return Traces(
        calls=call_uids,
        conversations=talk_uids,
        recordings=list((await connection.execute(tapes)).scalars()),
        audio=[f"{row.external_id}.{row.format}" for row in (await connection.execute(audio)).all()],
        exports=list((await connection.execute(exports)).scalars()),
    )


# --- taking him out -------------------------------------------------------------------------------


async def erase(connection: AsyncConnection, customer: Customer, found: Traces, *, keep: bool, at: datetime) -> None:
    """`keep`: rows stay, with nothing of the person in them, for figures count them."""
    his = appointments.c.customer_uid == customer.uid, callback_requests.c.customer_uid == customer.uid
    await connection.execute(sa.delete(conversations).where(conversations.c.uid.in_(found.conversations)))
    await connection.execute(sa.delete(recordings).where(recordings.c.call_uid.in_(found.calls)))
    await connection.execute(
        sa.update(privacy_requests)
        .where(privacy_requests.c.customer_uid == customer.uid)
        .values(state=RequestState.WITHDRAWN.value, expires_at=None, finished_at=at, options={})
    )
    await audit.forget_customer(connection, customer)
    booked = sa.select(appointments.c.external_id).where(his[0])
    await outbox.forget_words(connection, customer.organization_uid, booked)
    await dials.withdraw(connection, found.calls)
    if keep:
        await blank_calls(connection, customer.organization_uid, found.calls, customer.phone)
        nobody: dict[str, Any] = {"customer_name": "", "customer_phone": ""}
        words = {"phone_tail": "", "notes": "", "cancel_reason": ""}
        await connection.execute(sa.update(appointments).where(his[0]).values(**words, **nobody))
        await connection.execute(sa.update(callback_requests).where(his[1]).values(reason="", **nobody))
        await connection.execute(
            sa.update(interactions).where(interactions.c.customer_uid == customer.uid).values(notes="", metadata={})
        )
        blank = Customer(
            uid=customer.uid,
            organization_uid=customer.organization_uid,
            external_id=new_external_id("anon"),
            created_at=customer.created_at,
        )
        values = records.columns_of(customers, blank) | {"phone_tail": "", "name_key": ""}
        await connection.execute(sa.update(customers).where(customers.c.uid == customer.uid).values(**values))
        return
    await connection.execute(sa.delete(appointments).where(his[0]))
    await connection.execute(sa.delete(callback_requests).where(his[1]))
    await connection.execute(sa.delete(calls).where(calls.c.uid.in_(found.calls)))
    await connection.execute(sa.delete(customers).where(customers.c.uid == customer.uid))


async def blank_calls(
    connection: AsyncConnection, organization_uid: str, call_uids: list[str], number: str = ""
) -> None:
    """Take the other side, and what was said, out of calls. `number`: a telephone that is taken out of both sides."""
    query = sa.select(
        calls.c.uid, calls.c.external_id, calls.c.from_number, calls.c.to_number, calls.c.direction, calls.c.metadata
    )
    for row in (await connection.execute(query.where(calls.c.uid.in_(call_uids)))).all():
        words = ("sid", "party_name", "party_key", "transcript", "notes", "recording_url")
        values: dict[str, Any] = dict.fromkeys(words, "")
        values["metadata"] = {name: row.metadata[name] for name in STATISTICS if name in row.metadata}
        other = "to" if row.direction == "outbound" else "from"
        for side, own in (("from", row.from_number), ("to", row.to_number)):
            if side == other or (number and phone.same_number(own, number)):
                values |= {f"{side}_number": "", f"{side}_digits": "", f"{side}_tail": ""}
        await connection.execute(sa.update(calls).where(calls.c.uid == row.uid).values(**values))
        await outbox.forget_words(connection, organization_uid, [row.external_id])
    texts: dict[str, Any] = {"caller_text": "", "generated_text": "", "heard_text": "", "tools": []}
    await connection.execute(sa.update(turns).where(turns.c.call_uid.in_(call_uids)).values(**texts))
    await connection.execute(sa.update(call_events).where(call_events.c.call_uid.in_(call_uids)).values(data={}))
    await sync_logs.forget_persons(connection, call_uids)
    await dials.forget_persons(connection, call_uids)
    await analyses.forget_persons(connection, organization_uid, call_uids)

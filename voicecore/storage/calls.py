"""Rows of calls, turns, events and recordings: reading for clients, writing for the writer task."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.machines.speculation import Ledger
from pipelines.timing import response_latency_ms
from pipelines.usage import Usage, added
from voicecore.domain import phone
from voicecore.domain.calls import Call, CallFilter, CallStatus, Recording, StoredEvent, StoredTurn
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import Fact
from voicecore.storage import outbox, records
from voicecore.storage.schema import call_events, calls, recordings, turns

FEW = 200  # rows whose documents are read without letting others go on

# --- reading --------------------------------------------------------------------------------------


def narrowed(organization_uid: str, wanted: CallFilter) -> list[sa.ColumnElement[bool]]:
    """The conditions of a list, for sums over what it lists too."""
    column = calls.c
    conditions: list[sa.ColumnElement[bool]] = [column.organization_uid == organization_uid]
    if wanted.statuses or wanted.outcomes:
        either = {column.status: wanted.statuses, column.outcome: wanted.outcomes}
        conditions.append(sa.or_(*(c.in_([word.value for word in words]) for c, words in either.items() if words)))
    if wanted.direction is not None:
        conditions.append(column.direction == wanted.direction.value)
    if wanted.agent_id is not None:
        conditions.append(column.agent_id == wanted.agent_id)
    if wanted.business_uid is not None:
        conditions.append(column.business_uid == wanted.business_uid)
    if wanted.from_at is not None:
        conditions.append(column.created_at >= wanted.from_at)
    if wanted.before_at is not None:
        conditions.append(column.created_at < wanted.before_at)
    if wanted.phone_number is not None:
        part = phone.partial_digits(wanted.phone_number)
        if part:
            one, other = column.from_digits.contains(part), column.to_digits.contains(part)
        else:  # names such as "client:alice" have no digits
            raw = wanted.phone_number
            one = column.from_number.icontains(raw, autoescape=True)
            other = column.to_number.icontains(raw, autoescape=True)
        conditions.append(sa.or_(one, other))
    return conditions


async def listing(connection: AsyncConnection, organization_uid: str, wanted: CallFilter, page: Page) -> Listing[Call]:
    """Newest first."""
    conditions = narrowed(organization_uid, wanted)
    query = sa.select(calls).where(*conditions).order_by(calls.c.created_at.desc(), calls.c.seq.desc())
    rows = await records.every(connection, Call, query.offset(page.offset).limit(page.count))
    return Listing(rows, await records.count(connection, calls, conditions))


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Call | None:
    query = sa.select(calls).where(calls.c.organization_uid == organization_uid, calls.c.external_id == external_id)
    return await records.first(connection, Call, query)


async def with_uid(connection: AsyncConnection, organization_uid: str, uid: str) -> Call | None:
    query = sa.select(calls).where(calls.c.organization_uid == organization_uid, calls.c.uid == uid)
    return await records.first(connection, Call, query)


async def by_uid(connection: AsyncConnection, uid: str) -> Call | None:
    return await records.first(connection, Call, sa.select(calls).where(calls.c.uid == uid))


async def turns_of(connection: AsyncConnection, call_uid: str) -> list[StoredTurn]:
    query = sa.select(turns).where(turns.c.call_uid == call_uid).order_by(turns.c.index)
    return await records.every(connection, StoredTurn, query)


async def speculation(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter
) -> list[tuple[str, Ledger]]:
    """Sums over the ended calls of a list, by agent id."""
    names = Ledger.__struct_fields__
    sums = [sa.func.sum(sa.func.coalesce(calls.c.speculation[name].as_float(), 0.0)) for name in names]
    conditions = narrowed(organization_uid, wanted)
    query = sa.select(calls.c.agent_id, *sums).where(*conditions).group_by(calls.c.agent_id).order_by(calls.c.agent_id)
    rows = (await connection.execute(query)).all()
    return [
        (agent_id, msgspec.convert(dict(zip(names, figures, strict=True)), Ledger, strict=False))
        for agent_id, *figures in rows
    ]


async def usage(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> list[tuple[str, Usage]]:
    """Sums over the ended calls of a list, by agent id. Each document has keys of its own, which SQL cannot add."""
    conditions = [*narrowed(organization_uid, wanted), calls.c.ended_at.is_not(None)]
    query = sa.select(calls.c.agent_id, calls.c.usage).where(*conditions)
    sums: dict[str, Usage] = {}
    async with connection.stream(query.execution_options(yield_per=FEW)) as result:
        async for rows in result.partitions():
            for agent_id, used in rows:
                sums[agent_id] = added([sums.get(agent_id, {}), msgspec.convert(used, Usage)])
    return sorted(sums.items())


async def events_of(connection: AsyncConnection, call_uid: str) -> list[StoredEvent]:
    query = sa.select(call_events).where(call_events.c.call_uid == call_uid)
    return await records.every(connection, StoredEvent, query.order_by(call_events.c.at_ms, call_events.c.seq))


async def recordings_of(
    connection: AsyncConnection, organization_uid: str, call_uids: list[str]
) -> dict[str, Recording]:
    """By call. Without the waveforms when there is more than one, for lists do not draw them."""
    columns = [c for c in recordings.c if len(call_uids) == 1 or c.name != "peaks"]
    query = sa.select(*columns).where(
        recordings.c.organization_uid == organization_uid, recordings.c.call_uid.in_(call_uids)
    )
    return {row.call_uid: row for row in await records.every(connection, Recording, query)}


async def recording(connection: AsyncConnection, external_id: str, organization_uid: str | None) -> Recording | None:
    """Without an organization only for a bearer of a signed URL, which names this very recording."""
    query = sa.select(recordings).where(recordings.c.external_id == external_id)
    if organization_uid is not None:
        query = query.where(recordings.c.organization_uid == organization_uid)
    return await records.first(connection, Recording, query)


async def unfinished(connection: AsyncConnection, node: str) -> list[Call]:
    """Calls that a serving process had when it died; `node` may be the beginning that several share."""
    running = [CallStatus.RINGING.value, CallStatus.ANSWERED.value]
    query = sa.select(calls).where(calls.c.status.in_(running), calls.c.node.startswith(node, autoescape=True))
    return await records.every(connection, Call, query)


async def last_trace_ms(connection: AsyncConnection, call_uid: str) -> float | None:
    """Call time of the last thing that is known of a call."""
    turn = sa.select(sa.func.max(turns.c.ended_ms)).where(turns.c.call_uid == call_uid)
    event = sa.select(sa.func.max(call_events.c.at_ms)).where(call_events.c.call_uid == call_uid)
    found = [(await connection.execute(query)).scalar() for query in (turn, event)]
    return max((at for at in found if at is not None), default=None)


# --- writing --------------------------------------------------------------------------------------


def call_row(call: Call) -> dict[str, Any]:
    return records.columns_of(calls, call) | {
        "from_digits": phone.digits(call.from_number),
        "to_digits": phone.digits(call.to_number),
        "duration_s": call.duration_s,
    }


async def add(connection: AsyncConnection, call: Call) -> None:
    await connection.execute(sa.insert(calls).values(**call_row(call)))


def turn_row(turn: StoredTurn) -> dict[str, Any]:
    return records.columns_of(turns, turn) | {"response_latency_ms": response_latency_ms(turn.marks)}


async def insert_many(connection: AsyncConnection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(sa.insert(table), rows)


async def update_call(connection: AsyncConnection, uid: str, changes: dict[str, Any]) -> None:
    """And announce its end, if that is what changes."""
    await connection.execute(sa.update(calls).where(calls.c.uid == uid).values(**changes))
    if changes.get("status") == CallStatus.ENDED.value:
        await outbox.announce_of_call(connection, uid, Fact.CALL_ENDED)


async def delete_older(connection: AsyncConnection, organization_uid: str, before: datetime) -> None:
    """Ended calls with everything that hangs on them."""
    await connection.execute(
        sa.delete(calls).where(
            calls.c.organization_uid == organization_uid,
            calls.c.ended_at.is_not(None),
            calls.c.ended_at < before,
        )
    )

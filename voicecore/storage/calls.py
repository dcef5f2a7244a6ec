"""Rows of calls, turns, events and recordings: reading for clients, writing for the writer task."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.machines.speculation import Ledger
from pipelines.timing import response_latency_ms
from pipelines.usage import AMOUNTS, Usage, Used
from voicecore.domain import phone
from voicecore.domain.calls import (
    NEWEST,
    Call,
    CallFilter,
    CallOrder,
    CallSort,
    CallStatus,
    Recording,
    StoredEvent,
    StoredTurn,
)
from voicecore.domain.customers import name_key
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import Fact
from voicecore.storage import outbox, records, sync_logs
from voicecore.storage.customers import link_caller
from voicecore.storage.memory import YOUNG
from voicecore.storage.schema import appointments, call_events, calls, recordings, turns
from voicecore.storage.sums import counted, note_old, summed, young

RUNNING = tuple(status for status in CallStatus if status is not CallStatus.ENDED)

# --- reading --------------------------------------------------------------------------------------


def narrowed(organization_uid: str, wanted: CallFilter) -> list[sa.ColumnElement[bool]]:
    """The conditions of a list, for sums over what it lists too."""
    column = calls.c
    conditions: list[sa.ColumnElement[bool]] = [column.organization_uid == organization_uid]
    if wanted.statuses or wanted.outcomes:
        either = {column.status: wanted.statuses, column.outcome: wanted.outcomes}
        conditions.append(sa.or_(*(c.in_([word.value for word in words]) for c, words in either.items() if words)))
    if wanted.outcomes and not wanted.statuses:
        conditions.append(column.status == CallStatus.ENDED.value)  # no other has an outcome: for the index
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
        part = phone.sought_digits(wanted.phone_number)
        if part:
            one, other = column.from_digits.contains(part), column.to_digits.contains(part)
        else:  # names such as "client:alice2"
            raw = wanted.phone_number
            one = column.from_number.icontains(raw, autoescape=True)
            other = column.to_number.icontains(raw, autoescape=True)
        conditions.append(sa.or_(one, other))
    same = {column.uid: wanted.uid, column.customer_uid: wanted.customer_uid}
    conditions += [one == uid for one, uid in same.items() if uid is not None]
    if wanted.resource_uid is not None:
        booked = appointments.c.organization_uid == organization_uid, appointments.c.resource_uid == wanted.resource_uid
        conditions.append(column.uid.in_(sa.select(appointments.c.call_uid).where(*booked)))
    if wanted.search:
        conditions.append(_like(wanted.search))
    return conditions


def _like(part: str) -> sa.ColumnElement[bool]:
    """Part of the other party's name or of a number."""
    either = [calls.c.party_key.contains(name_key(part), autoescape=True)]
    if digits := phone.sought_digits(part):
        either += [calls.c.from_digits.contains(digits), calls.c.to_digits.contains(digits)]
    return sa.or_(*either)


async def listing(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter, page: Page, order: CallOrder = NEWEST
) -> Listing[Call]:
    conditions = narrowed(organization_uid, wanted)
    # Sorted without what is said in them: only those of the page are read.
    query = _sorted(order).where(*conditions).offset(page.offset).limit(page.count)
    seqs = list((await connection.execute(query)).scalars())
    of_page = sa.select(calls).where(calls.c.organization_uid == organization_uid, calls.c.seq.in_(seqs))
    found = {row.seq: row for row in await records.every(connection, Call, of_page)}
    rows = [found[seq] for seq in seqs if seq in found]
    return Listing(rows, await counted(connection, conditions))


def _sorted(order: CallOrder) -> sa.Select[Any]:
    column = calls.c
    by = {
        CallSort.CREATED_AT: column.created_at,
        CallSort.DURATION: column.duration_s,
        CallSort.CUSTOMER_NAME: column.party_key,
    }[order.by]
    return sa.select(column.seq).order_by(*(way.desc() if order.descending else way for way in (by, column.seq)))


async def find(connection: AsyncConnection, organization_uid: str, external_id: str) -> Call | None:
    query = sa.select(calls).where(calls.c.organization_uid == organization_uid, calls.c.external_id == external_id)
    return await records.first(connection, Call, query)


async def with_uid(connection: AsyncConnection, organization_uid: str, uid: str) -> Call | None:
    query = sa.select(calls).where(calls.c.organization_uid == organization_uid, calls.c.uid == uid)
    return await records.first(connection, Call, query)


async def with_seqs(connection: AsyncConnection, organization_uid: str, seqs: list[int]) -> dict[int, Call]:
    query = sa.select(calls).where(calls.c.organization_uid == organization_uid, calls.c.seq.in_(seqs))
    return {call.seq: call for call in await records.every(connection, Call, query)}


async def by_uid(connection: AsyncConnection, uid: str) -> Call | None:
    return await records.first(connection, Call, sa.select(calls).where(calls.c.uid == uid))


async def turns_of(connection: AsyncConnection, call_uid: str) -> list[StoredTurn]:
    query = sa.select(turns).where(turns.c.call_uid == call_uid).order_by(turns.c.index)
    return await records.every(connection, StoredTurn, query)


_AGENT = sa.func.coalesce(calls.c.agent_id, sa.literal_column("''"))  # sums go by time, not by the agents' index


async def speculation(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter
) -> list[tuple[str, Ledger]]:
    """Sums over the ended calls of a list, by agent id."""
    names = Ledger.__struct_fields__
    sums = [sa.func.sum(sa.func.coalesce(calls.c.speculation[name].as_float(), 0.0)) for name in names]
    conditions = narrowed(organization_uid, wanted)
    query = sa.select(_AGENT, *sums).group_by(_AGENT)
    rows = sorted(await summed(connection, query, conditions, keys=1))
    return [
        (agent_id, msgspec.convert(dict(zip(names, figures, strict=True)), Ledger, strict=False))
        for agent_id, *figures in rows
    ]


async def usage(connection: AsyncConnection, organization_uid: str, wanted: CallFilter) -> list[tuple[str, Usage]]:
    """Sums over the ended calls of a list, by agent id. Each document has keys of its own."""
    conditions = [*narrowed(organization_uid, wanted), calls.c.status == CallStatus.ENDED.value]
    agent_id = _AGENT
    every = sa.select(agent_id, sa.func.count()).group_by(agent_id)
    sums: dict[str, Usage] = {name: {} for name, _ in sorted(await summed(connection, every, conditions, keys=1))}
    one = sa.func.json_each(calls.c.usage).table_valued("key", sa.column("value", sa.JSON), name="one")
    cost = one.c.value["cost_microusd"].as_float()
    amounts = [sa.func.sum(sa.func.coalesce(one.c.value[name].as_float(), 0.0)) for name in AMOUNTS]
    query = (
        sa.select(agent_id, one.c.key, *amounts, sa.func.sum(cost), sa.func.count() - sa.func.count(cost))
        .select_from(calls.join(one, sa.true()))
        .group_by(agent_id, one.c.key)
    )
    for agent, model, *figures, microusd, unpriced in sorted(await summed(connection, query, conditions, keys=2)):
        amount = dict(zip(AMOUNTS, figures, strict=True)) | {"cost_microusd": None if unpriced else microusd}
        sums[agent][model] = msgspec.convert(amount, Used, strict=False)
    return list(sums.items())


async def turns_of_calls(connection: AsyncConnection, call_uids: list[str]) -> dict[str, list[StoredTurn]]:
    """By call, for calls that the caller has the right to see."""
    query = sa.select(turns).where(turns.c.call_uid.in_(call_uids)).order_by(turns.c.call_uid, turns.c.index)
    found: dict[str, list[StoredTurn]] = {}
    for turn in await records.every(connection, StoredTurn, query):
        found.setdefault(turn.call_uid, []).append(turn)
    return found


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
        "from_tail": phone.tail(call.from_number),
        "to_tail": phone.tail(call.to_number),
        "party_key": name_key(call.party_name),
        "duration_s": call.duration_s,
        "analysis_due_at": call.ended_at,
    }


async def add(connection: AsyncConnection, call: Call) -> None:
    statement = sa.insert(calls).values(**call_row(call))
    await connection.execute(statement.execution_options(**young(call.created_at)))
    if call.status is CallStatus.ENDED:
        await link_caller(connection, call.uid)
        await sync_logs.enqueue(connection, call.uid)


def turn_row(turn: StoredTurn) -> dict[str, Any]:
    return records.columns_of(turns, turn) | {"response_latency_ms": response_latency_ms(turn.marks)}


async def insert_many(connection: AsyncConnection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        options = young(min(row["created_at"] for row in rows)) if table is calls else {}
        await connection.execute(sa.insert(table).execution_options(**options), rows)


async def update_call(
    connection: AsyncConnection, uid: str, changes: dict[str, Any], *, before: Iterable[CallStatus] = RUNNING
) -> bool:
    """And announce its end, if that is what changes; then its analysis is due. A status changes only from one of
    `before`; False, and nothing was done, when the call has another."""
    ends = changes.get("status") == CallStatus.ENDED.value
    if ends:
        changes = changes | {"analysis_due_at": changes["ended_at"]}
    statement = sa.update(calls).where(calls.c.uid == uid)
    if "status" in changes:
        statement = statement.where(calls.c.status.in_([status.value for status in before]))
    statement = statement.values(**changes).execution_options(**{YOUNG: True})
    began = (await connection.execute(statement.returning(calls.c.created_at))).scalar_one_or_none()
    if began is not None:
        note_old(connection, began)
    done = began is not None
    if ends and done:
        await link_caller(connection, uid)
        await outbox.announce_of_call(connection, uid, Fact.CALL_ENDED)
        await sync_logs.enqueue(connection, uid)
    return done


async def delete_older(connection: AsyncConnection, organization_uid: str, before: datetime) -> None:
    """Ended calls with everything that hangs on them."""
    await connection.execute(
        sa.delete(calls).where(
            calls.c.organization_uid == organization_uid,
            calls.c.ended_at.is_not(None),
            calls.c.ended_at < before,
        )
    )

"""An organization that keeps what was said for so many days: what is older goes, what is younger and what others keep
stays, and no figure changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from api_server import Server
from test_vocaliq_privacy import BOB, everything, figures, org_uid, send, with_traces

from voicecore.domain import instants
from voicecore.storage.schema import audit_entries, calls, conversations, interactions, organizations

WORDS = ("What time is it", "It is three", "ключ", "Max wrote")
AGE_DAYS = (instants.now() - datetime(2026, 1, 20, tzinfo=UTC)).days


async def keep(server: Server, days: int | None) -> None:
    async with server.database.write() as connection:
        mine = organizations.c.external_id == "org_one"
        await connection.execute(sa.update(organizations).where(mine).values(retention_days=days))


async def age(server: Server) -> None:
    """Make what the test itself said as old as the calls of the seed."""
    then = datetime(2026, 1, 20, 15, tzinfo=UTC)
    async with server.database.write() as connection:
        await connection.execute(sa.update(conversations).values(updated_at=then))
        await connection.execute(sa.update(interactions).values(created_at=then))


async def trail(server: Server) -> list[Any]:
    query = sa.select(audit_entries.c.changes).where(audit_entries.c.action == "data.expired")
    async with server.database.read() as connection:
        return list((await connection.execute(query)).scalars())


async def test_what_is_too_old_goes_and_figures_stay(server: Server) -> None:
    await with_traces(server)
    await age(server)
    before, theirs = await figures(server), await send(server, "GET", "calls/call_9", who=BOB)
    await keep(server, 30)
    await server.dealings.retention.step()
    left = await everything(server)
    for word in WORDS:
        assert word not in left
    assert list((server.recordings / "2026-01-20").iterdir()) == []
    assert await figures(server) == before
    assert await send(server, "GET", "calls/call_9", who=BOB) == theirs
    _, call = await send(server, "GET", "calls/call_1")
    assert (call["from_number"], call["to_number"], call["duration"]) == ("", "+49 30 9876543", 180)
    assert call["transcript"] == {"messages": []}
    found = await trail(server)
    assert [(entry["retention_days"], entry["calls"]) for entry in found] == [(30, 3)]
    assert found[0]["other_records"] >= 2
    assert await server.dealings.retention.expire(await org_uid(server), 30) == 0  # done is done
    assert len(await trail(server)) == 1


async def test_the_trail_is_kept_for_a_year_at_least(server: Server) -> None:
    await with_traces(server)
    now = instants.now()
    async with server.database.write() as connection:
        uids = list((await connection.execute(sa.select(audit_entries.c.uid))).scalars())
        for uid, days in zip(uids[:3], (364, 366, 800), strict=True):
            aged = sa.update(audit_entries).where(audit_entries.c.uid == uid)
            await connection.execute(aged.values(created_at=now - timedelta(days=days)))
    organization = await org_uid(server)
    await server.dealings.retention.expire(organization, 790)
    assert [entry["audit_entries"] for entry in await trail(server)] == [1]
    await server.dealings.retention.expire(organization, 30)
    assert [entry["audit_entries"] for entry in await trail(server)] == [1, 1]
    async with server.database.read() as connection:
        left = set((await connection.execute(sa.select(audit_entries.c.uid))).scalars())
    assert set(uids) - left == set(uids[1:3])


async def test_nothing_young_goes_and_nothing_without_a_limit(server: Server) -> None:
    await with_traces(server)
    before = await everything(server)
    await server.dealings.retention.step()
    assert await everything(server) == before
    assert await server.dealings.retention.expire(await org_uid(server), AGE_DAYS + 2) == 0
    assert await everything(server) == before


async def test_many_calls_go_in_several_transactions(server: Server) -> None:
    organization = await org_uid(server)
    async with server.database.write() as connection:
        query = sa.select(calls).where(calls.c.organization_uid == organization, calls.c.external_id == "call_1")
        row = dict((await connection.execute(query)).mappings().one())
        copies = [row | {"seq": 1000 + n, "uid": f"copy-{n}", "external_id": f"copy_{n}"} for n in range(120)]
        await connection.execute(sa.insert(calls), copies)
    assert await server.dealings.retention.expire(organization, 30) == 123
    async with server.database.read() as connection:
        named = sa.select(sa.func.count()).select_from(calls).where(calls.c.from_number != "")
        mine = named.where(calls.c.organization_uid == organization, calls.c.direction == "inbound")
        assert (await connection.execute(mine)).scalar() == 0

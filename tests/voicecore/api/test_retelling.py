"""The same request gets the same answer without a look at the database, until that changes; each asks for himself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from api_server import Server
from crm_desk import ADA, BOB, Crm, login
from sqlalchemy import event

from voicecore.services import retelling as module
from voicecore.services.retelling import Retelling
from voicecore.storage.schema import customers

CONTACTS = "/contacts"


@pytest.fixture
def server(server: Server) -> Server:
    """Alone with its database, in which time stands still."""
    server.database.memory.alone = True
    server.database.memory.clock = lambda: 0.0
    return server


@pytest.fixture
def looks(server: Server) -> Iterator[list[str]]:
    """Statements that ask for customers."""
    seen: list[str] = []
    engine = server.database._views.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM customers" in statement:
            seen.append(statement)

    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def names(crm: Crm) -> list[str]:
    return [row["name"] for row in (await crm.get(CONTACTS))["data"]]


async def test_nothing_is_made_twice_until_it_changes(server: Server, looks: list[str]) -> None:
    crm = await login(server)
    before = await names(crm)
    count = len(looks)
    assert count > 0
    assert await names(crm) == before
    assert len(looks) == count
    await crm.made(CONTACTS, {"name": "New"})
    assert await names(crm) == ["New", *before]


async def test_only_what_can_be_told_again_is(server: Server) -> None:
    retold = [route for surface in server.surfaces for route in surface.routes if route.retold]
    assert len(retold) > 20
    for route in retold:
        assert (route.method, route.status, route.body, route.media_type) == ("GET", 200, None, "application/json")


async def test_a_second_later_it_is_made_again(server: Server, looks: list[str]) -> None:
    crm, now_s = await login(server), 0.0
    server.database.memory.clock = lambda: now_s
    await names(crm)
    count, now_s = len(looks), module.LASTS_S
    await names(crm)
    assert len(looks) > count


async def test_each_gets_what_is_his(server: Server) -> None:
    ada, bob = await login(server, ADA), await login(server, BOB)
    await ada.made(CONTACTS, {"name": "Ada's alone"})
    assert "Ada's alone" in await names(ada)
    assert "Ada's alone" not in await names(bob)


async def test_who_is_logged_out_is_told_nothing(server: Server) -> None:
    crm = await login(server)
    await names(crm)
    await server.accounts.logout(await server.accounts.authenticate(str(crm.token), "crm"))
    await crm.refused("GET", CONTACTS, 401, "AUTHENTICATION_FAILED")


async def made(retelling: Retelling, request: str, body: bytes, times: list[str]) -> bytes:
    async def make() -> bytes:
        times.append(request)
        await asyncio.sleep(0)
        return body

    return await retelling.told(request, make)


async def test_who_asks_the_same_at_once_waits_for_one_answer(server: Server) -> None:
    times: list[str] = []
    retelling = Retelling(server.database)
    assert await asyncio.gather(*(made(retelling, "a", b"1", times) for _ in range(20))) == [b"1"] * 20
    assert times == ["a"]


async def test_a_failure_is_nobody_elses(server: Server) -> None:
    retelling, times = Retelling(server.database), list[str]()

    async def fail() -> bytes:
        await asyncio.sleep(0)
        raise ValueError("no")

    first = asyncio.create_task(retelling.told("a", fail))
    await asyncio.sleep(0)
    assert await made(retelling, "a", b"1", times) == b"1"
    with pytest.raises(ValueError, match="no"):
        await first
    assert times == ["a"]


async def test_where_others_write_each_is_made(server: Server) -> None:
    server.database.memory.alone = False
    retelling, times = Retelling(server.database), list[str]()

    async def make() -> bytes:
        times.append("a")
        async with server.database.read() as connection:
            await connection.execute(sa.select(customers.c.uid))
        return b"1"

    for _ in range(2):
        await retelling.told("a", make)
    assert times == ["a", "a"]


async def test_what_is_kept_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    monkeypatch.setattr(module, "LONGEST", 4)
    retelling, times = Retelling(server.database), list[str]()
    for request in ("a", "b", "c", "a", "c", "long", "long"):
        await made(retelling, request, b"12345" if request == "long" else b"1234", times)
    assert times == ["a", "b", "c", "a", "long", "long"]

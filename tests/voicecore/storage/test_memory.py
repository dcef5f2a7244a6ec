"""What is remembered of the database's answers is what it would answer now; sums are right while calls come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from test_writer import call_of, make_agent

from pipelines.events import EndReason
from pipelines.usage import Used
from voicecore.domain import instants
from voicecore.domain.agents import Agent
from voicecore.domain.calls import Call, CallFilter, CallStatus, Outcome
from voicecore.domain.ids import new_uid
from voicecore.domain.paging import Page
from voicecore.storage import calls as call_rows
from voicecore.storage import figures, records, sums, tenants
from voicecore.storage.database import Database
from voicecore.storage.engines import sqlite_url
from voicecore.storage.memory import Memory
from voicecore.storage.schema import agents, calls, organizations, turns
from voicecore.storage.writer import CallChanged, apply

LONG_AGO = timedelta(hours=3)
ENDED = CallFilter(statuses=(CallStatus.ENDED,))


@pytest.fixture
async def agent(database: Database) -> Agent:
    return await make_agent(database)


@pytest.fixture
def asked(database: Database) -> Iterator[list[str]]:
    """Every SELECT that reaches the database; it is the only one that writes to it."""
    database.memory = Memory(database.memory._dialect, alone=True)
    seen: list[str] = []

    @event.listens_for(database._views.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    yield seen
    event.remove(database._views.engine, "before_cursor_execute", note)


def ended(agent: Agent, **changes: Any) -> Call:
    now = instants.now()
    facts: dict[str, Any] = {"created_at": now, "ended_at": now, "end_reason": EndReason.CALLER_HANGUP}
    facts |= {"status": CallStatus.ENDED, "outcome": Outcome.COMPLETED} | changes
    return msgspec.structs.replace(call_of(agent), **facts)


async def store(database: Database, *stored: Call) -> None:
    async with database.append() as connection:
        await call_rows.insert_many(connection, calls, [call_rows.call_row(one) for one in stored])


async def organization(database: Database, uid: str) -> str:
    async with database.read() as connection:
        found = await tenants.organization(connection, uid)
    assert found is not None
    return found.name


async def _broken(database: Database) -> None:
    async with database.append() as connection:
        await connection.execute(sa.update(organizations).values(name="Q"))
        await connection.execute(sa.update(organizations).values(external_id=None))


async def total(database: Database, agent: Agent) -> tuple[int, int]:
    """As a list counts them and as sums do."""
    async with database.read() as connection:
        listed = await call_rows.listing(connection, agent.organization_uid, ENDED, Page(0, 1))
        summed = await figures.totals(connection, agent.organization_uid, ENDED)
    return listed.total, summed.calls


async def test_nothing_is_asked_twice_until_it_changes(database: Database, agent: Agent, asked: list[str]) -> None:
    owner = agent.organization_uid
    assert [await organization(database, owner) for _ in range(3)] == ["O"] * 3
    assert len(asked) == 1
    async with database.append() as connection:
        await connection.execute(sa.update(agents).values(external_id="other"))  # something else
    assert await organization(database, owner) == "O"
    assert len(asked) == 1
    async with database.append() as connection:
        await connection.execute(sa.update(organizations).values(name="P"))
        assert await organization(database, owner) == "O"  # not committed
    assert await organization(database, owner) == "P"
    assert len(asked) == 2
    with pytest.raises(IntegrityError):
        await _broken(database)
    assert await organization(database, owner) == "P"
    async with database.write() as connection:
        await connection.execute(sa.text("UPDATE organizations SET name = 'R'"))
    assert await organization(database, owner) == "R"


async def test_other_processes_are_seen_after_a_while(database: Database, agent: Agent, asked: list[str]) -> None:
    now_s = 0.0
    database.memory.clock = lambda: now_s
    await organization(database, agent.organization_uid)
    async with database._engine.begin() as other:
        await other.execute(sa.update(organizations).values(name="P"))
    assert await organization(database, agent.organization_uid) == "O"
    now_s = 1.0
    assert await organization(database, agent.organization_uid) == "P"
    database.memory = Memory(database.memory._dialect, alone=False)
    await organization(database, agent.organization_uid)
    async with database._engine.begin() as other:
        await other.execute(sa.update(organizations).values(name="Q"))
    database.memory.clock = lambda: 0.0  # what took no time is not remembered where others write
    assert await organization(database, agent.organization_uid) == "Q"


async def test_who_asks_the_same_at_once_waits_for_one_answer(
    database: Database, agent: Agent, asked: list[str]
) -> None:
    names = await asyncio.gather(*(organization(database, agent.organization_uid) for _ in range(20)))
    assert names == ["O"] * 20
    assert len(asked) == 1
    first = asyncio.create_task(organization(database, new_uid()))
    second = asyncio.create_task(organization(database, agent.organization_uid))
    third = asyncio.create_task(organization(database, agent.organization_uid))
    await asyncio.sleep(0)
    second.cancel()
    assert await third == "O"
    with pytest.raises(AssertionError):
        await first


async def test_what_an_older_view_saw_is_not_kept(database: Database, agent: Agent, asked: list[str]) -> None:
    async with database.read() as connection:
        await records.count(connection, turns, [])  # the view begins
        async with database.append() as other:
            await other.execute(sa.update(organizations).values(name="P"))
        await tenants.organization(connection, agent.organization_uid)
    assert await organization(database, agent.organization_uid) == "P"


async def test_what_hangs_on_a_deleted_row_is_forgotten(database: Database, agent: Agent, asked: list[str]) -> None:
    await store(database, ended(agent))
    assert await total(database, agent) == (1, 1)
    async with database.append() as connection:
        await connection.execute(sa.delete(organizations))
    assert await total(database, agent) == (0, 0)


async def test_documents_can_be_changed_by_who_reads_them(database: Database, agent: Agent, asked: list[str]) -> None:
    call = ended(agent, metadata={"a": ["b"]})
    await store(database, call)
    for _ in range(2):
        async with database.read() as connection:
            row = (await connection.execute(sa.select(calls.c.metadata).where(calls.c.uid == call.uid))).one()
        assert row.metadata == {"a": ["b"]}
        row.metadata["a"].append("c")


async def test_sums_ask_for_the_last_hour_alone(database: Database, agent: Agent, asked: list[str]) -> None:
    then = instants.now() - LONG_AGO
    await store(database, ended(agent, created_at=then), ended(agent))
    assert await total(database, agent) == (2, 2)
    asked.clear()
    await store(database, ended(agent), ended(agent))
    assert await total(database, agent) == (4, 4)
    assert not [one for one in asked if "count(" in one and "created_at <" in one]
    await store(database, ended(agent, created_at=then))  # reported late
    assert await total(database, agent) == (5, 5)
    async with database.append() as connection:
        await call_rows.delete_older(connection, agent.organization_uid, then + timedelta(hours=3, minutes=1))
    assert await total(database, agent) == (0, 0)


async def test_a_long_call_that_ends_is_in_the_sums_at_once(database: Database, agent: Agent, asked: list[str]) -> None:
    now = instants.now()
    running = msgspec.structs.replace(call_of(agent), created_at=now - LONG_AGO, answered_at=now - LONG_AGO)
    await store(database, running)
    assert await total(database, agent) == (0, 0)
    end = {"status": CallStatus.ENDED.value, "ended_at": now, "end_reason": "caller_hangup", "outcome": "completed"}
    async with database.append() as connection:
        await apply(connection, [CallChanged(running.uid, end)])
    assert await total(database, agent) == (1, 1)


async def test_amounts_of_engines_are_added_by_model(database: Database, agent: Agent) -> None:
    used = {"a/m": Used(input_tokens=3, spoken_s=1.5, cost_microusd=7), "b": Used(heard_s=2.0, cost_microusd=None)}
    then = instants.now() - LONG_AGO
    await store(database, ended(agent, usage=used), ended(agent, usage=used, created_at=then), ended(agent))
    await store(database, call_of(agent))  # it runs, and nothing is known of it yet
    async with database.read() as connection:
        found = await call_rows.usage(connection, agent.organization_uid, CallFilter())
        mean = await figures.totals(connection, agent.organization_uid, CallFilter())
    expected = {"a/m": used["a/m"] + used["a/m"], "b": used["b"] + used["b"]}
    assert found == [("", expected)]
    assert mean.stt_ms is None


def test_sums_add_what_is_known() -> None:
    early, late = instants.now(), instants.now() + LONG_AGO
    assert [sums._plus(1, 2), sums._plus(None, 2), sums._plus(1, None)] == [3, 2, 1]
    assert sums._plus(early, late) == sums._plus(late, early) == late


async def test_facts_hold_while_their_tables_do(database: Database, agent: Agent, asked: list[str]) -> None:
    memory, now_s = database.memory, 0.0
    memory.clock = lambda: now_s
    memory.learn("who", "ada", frozenset({"users", "sessions"}), memory.moment)
    async with database.append() as connection:
        await connection.execute(sa.update(agents).values(external_id="other"))
    assert memory.fact("who") == "ada"
    as_of = memory.moment
    async with database.append() as connection:
        await connection.execute(sa.delete(organizations))  # sessions go with them
    assert memory.fact("who") is None
    memory.learn("who", "ada", frozenset({"users", "sessions"}), as_of)
    assert memory.fact("who") is None  # it was found out before the change
    memory.learn("who", "ada", frozenset({"users"}), memory.moment)
    now_s = 1.0
    assert memory.fact("who") is None
    shared = Memory(memory._dialect, alone=False)
    shared.learn("who", "ada", frozenset({"users"}), 0)
    assert shared.fact("who") is None


async def test_memory_is_bounded(database: Database, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicecore.storage.memory.MOST_ROWS", 10)
    database.memory = memory = Memory(database.memory._dialect, alone=True)
    async with database.read() as connection:
        for number in range(30):
            await connection.execute(sa.select(organizations.c.uid).where(organizations.c.name == str(number)))
    assert len(memory._answers) == 10 == memory._rows


async def test_what_nobody_asks_again_does_not_pile_up(database: Database, agent: Agent) -> None:
    now_s = 0.0
    database.memory = memory = Memory(database.memory._dialect, alone=True, clock=lambda: now_s)
    lasting = sa.select(organizations.c.name).execution_options(settled=True)
    async with database.read() as connection:
        await connection.execute(lasting)
        for number in range(60):  # each names another instant, as polling does
            now_s = number * 0.5
            await connection.execute(sa.select(organizations.c.uid).where(organizations.c.name == str(number)))
            await connection.execute(lasting)
            assert len(memory._answers) <= 4
        assert memory._rows <= 8
        assert len(memory._ends) <= 6
        assert connection.remembers(lasting)


async def test_a_database_that_learns_answers_on(sqlite_database: Database) -> None:
    agent = await make_agent(sqlite_database)
    await store(sqlite_database, *(ended(agent) for _ in range(50)))
    async with sqlite_database.read() as connection:
        assert await records.count(connection, turns, []) == 0
        learning = asyncio.create_task(sqlite_database.learn())  # this one is in use meanwhile
        assert await records.count(connection, calls, []) == 50
    await learning
    async with sqlite_database.read() as connection:
        known = (await connection.exec_driver_sql("SELECT stat FROM sqlite_stat1 WHERE idx = 'ix_calls_sid'")).scalar()
    assert known == "50 50"


async def test_only_a_file_of_one_server_is_remembered_for_long(tmp_path: Any) -> None:
    alone, shared = [await Database.open(sqlite_url(tmp_path / "x.db"), alone=value) for value in (True, False)]
    assert (alone.memory.alone, shared.memory.alone) == (True, False)
    await alone.close()
    await shared.close()


async def test_nothing_is_known_of_what_is_just_being_committed(
    database: Database, asked: list[str], agent: Agent
) -> None:
    """Others may see one table's change already: what was remembered of another one would not fit to it."""
    statement = sa.select(organizations.c.name)
    async with database.read() as connection:
        await connection.execute(statement)
    memory, known = database.memory, []
    question = memory.question(statement, None)
    assert question is not None
    assert memory.known(question) is not None

    @event.listens_for(database._engine.sync_engine, "commit")
    def committing(_connection: Any) -> None:
        known.append((memory.known(question), memory.holds(question, memory.moment)))

    async with database.append() as connection:
        await connection.execute(sa.update(organizations).values(name="Q"))
    event.remove(database._engine.sync_engine, "commit", committing)
    assert known == [(None, False)]
    assert memory.holds(question, memory.moment)
    assert await organization(database, agent.organization_uid) == "Q"


async def test_who_has_begun_to_look_is_not_told_what_is_newer(
    database: Database, asked: list[str], agent: Agent
) -> None:
    statement = sa.select(organizations.c.name)
    async with database.read() as early:
        await early.execute(sa.select(calls.c.uid))  # the view begins here
        async with database.append() as connection:
            await connection.execute(sa.update(organizations).values(name="newer"))
        async with database.read() as late:
            assert (await late.execute(statement)).scalar() == "newer"
        count = len(asked)
        async with database.read() as late:
            await late.execute(statement)
        assert len(asked) == count  # it is remembered
        await early.execute(statement)
        assert len(asked) == count + 1


def test_a_row_is_not_remembered_where_others_write(database: Database) -> None:
    """However long it took: it would stand beside a row that they have changed meanwhile."""
    shared = Memory(database.memory._dialect, alone=False)
    question = shared.question(sa.select(calls.c.uid), None)
    assert question is not None
    assert shared._lasts_s(question, 1.0) == 0.0
    assert shared._lasts_s(msgspec.structs.replace(question, settled=True), 1.0) > 0.0


async def test_what_another_process_wrote_is_noticed(sqlite_database: Database) -> None:
    database = sqlite_database
    agent = await make_agent(database)
    database.memory = Memory(database.memory._dialect, alone=True, clock=lambda: 0.0)
    await database.look_around()
    assert await total(database, agent) == (0, 0)
    await store(database, ended(agent))  # our own is known as such
    await database.look_around()
    moment = database.memory.moment
    other = await Database.open(str(database._engine.url))
    await store(other, ended(agent, created_at=instants.now() - LONG_AGO))
    await other.close()
    assert await total(database, agent) == (1, 1)
    await database.look_around()
    assert database.memory.moment > moment
    assert await total(database, agent) == (2, 2)


async def test_nobody_waits_for_the_next_hours_sums(
    database: Database, agent: Agent, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(database, ended(agent, created_at=instants.now() - LONG_AGO), ended(agent))
    border = sums._border()
    assert await total(database, agent) == (2, 2)
    asked.clear()
    monkeypatch.setattr(sums, "_border", lambda: border + sums.STEP)
    assert await total(database, agent) == (2, 2)
    foreseeing = database._foresight._asking
    assert foreseeing is not None
    await foreseeing
    assert len([one for one in asked if "count(" in one and "created_at <" in one]) == 2
    asked.clear()
    assert await total(database, agent) == (2, 2)
    assert not [one for one in asked if "count(" in one and "created_at <" in one]


async def test_who_stops_looking_around_leaves_nothing_locked(sqlite_database: Database) -> None:
    url = str(sqlite_database._engine.url)
    for waits in range(12):
        database = await Database.open(url)
        looking = asyncio.create_task(database.look_around())
        for _ in range(waits):
            await asyncio.sleep(0)
        looking.cancel()
        await asyncio.wait([looking])
        await database.close()
        async with sqlite_database.write() as connection:
            await connection.execute(sa.update(organizations).values(name="Q"))

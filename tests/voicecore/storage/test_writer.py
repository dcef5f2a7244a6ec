"""The writer: order, durability, drop policy, retries, poison, and a process that is killed."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.events import EndReason
from pipelines.timing import Turn
from voicecore.domain import instants
from voicecore.domain.accounts import Business, Organization
from voicecore.domain.agents import Agent, AgentVersion
from voicecore.domain.calls import Call, CallStatus, Outcome, StoredEvent, StoredTurn
from voicecore.domain.ids import new_uid
from voicecore.services.call_log import CallLog, recover
from voicecore.storage import agents as agent_rows
from voicecore.storage import calls as call_rows
from voicecore.storage import records
from voicecore.storage.database import Database
from voicecore.storage.schema import businesses, call_events, calls, organizations, turns
from voicecore.storage.writer import CallOpened, EventHappened, TurnFinished, Writer

HERE = Path(__file__).resolve().parent


async def make_agent(database: Database) -> Agent:
    now = instants.now()
    organization = Organization(uid=new_uid(), external_id="org", name="O", created_at=now)
    business = Business(uid=new_uid(), organization_uid=organization.uid, external_id="biz", name="B", created_at=now)
    agent = Agent(
        uid=new_uid(),
        organization_uid=organization.uid,
        business_uid=business.uid,
        external_id="agent",
        name="A",
        created_at=now,
        updated_at=now,
    )
    version = AgentVersion(uid=new_uid(), agent_uid=agent.uid, version=1, name="A", config=agent.config, created_at=now)
    async with database.write() as connection:
        await records.insert(connection, organizations, organization)
        await records.insert(connection, businesses, business)
        await agent_rows.add(connection, agent, version)
    return agent


async def rows_in(database: Database, table: sa.Table) -> int:
    async with database.read() as connection:
        return await records.count(connection, table, [])


def call_of(agent: Agent) -> Call:
    return Call(
        uid=new_uid(),
        organization_uid=agent.organization_uid,
        external_id=f"call_{new_uid()}",
        agent_uid=agent.uid,
        created_at=instants.now(),
    )


async def test_many_calls_share_few_transactions_and_keep_their_order(database: Database) -> None:
    agent = await make_agent(database)
    writer = Writer(database)
    log = CallLog(writer)
    writer.start()
    journals = [log.open(agent) for _ in range(100)]
    for index in range(10):
        for journal in journals:
            journal.turn_finished(Turn(index, index * 1000.0, caller_text=f"turn {index}"))
    for journal in journals:
        journal.answered()
        journal.ended(EndReason.AGENT_HANGUP, 10_000.0)
    await writer.stop()
    assert writer.batches <= 4
    assert (await rows_in(database, calls), await rows_in(database, turns)) == (100, 1000)
    async with database.read() as connection:
        found = await call_rows.turns_of(connection, journals[7].call.uid)
        call = await call_rows.find(connection, agent.organization_uid, journals[7].call.external_id)
    assert [turn.caller_text for turn in found] == [f"turn {i}" for i in range(10)]
    assert call is not None
    assert (call.status, call.outcome) == (CallStatus.ENDED, Outcome.COMPLETED)


async def test_a_full_queue_drops_events_and_nothing_else(database: Database) -> None:
    agent = await make_agent(database)
    writer = Writer(database, capacity=10)
    call = call_of(agent)
    writer.put(CallOpened(call))
    for index in range(30):
        writer.put(EventHappened(StoredEvent(call_uid=call.uid, kind="dtmf", at_ms=index)))
        writer.put(TurnFinished(StoredTurn(index, 0.0, uid=new_uid(), call_uid=call.uid)))
    assert writer.dropped_events == 25
    writer.start()
    await writer.stop()
    assert (await rows_in(database, turns), await rows_in(database, call_events)) == (30, 5)


async def test_one_unstorable_fact_does_not_hold_up_the_others(database: Database) -> None:
    agent = await make_agent(database)
    writer = Writer(database)
    call = call_of(agent)
    writer.put(CallOpened(call))
    writer.put(TurnFinished(StoredTurn(0, 0.0, uid=new_uid(), call_uid="no such call")))
    writer.put(TurnFinished(StoredTurn(1, 0.0, uid=new_uid(), call_uid=call.uid)))
    writer.put(TurnFinished(StoredTurn(2, 0.0, uid=new_uid(), call_uid=call.uid, tools=[{"x": object()}])))
    writer.start()
    await writer.stop()
    assert (await rows_in(database, turns), writer.refused_facts) == (1, 2)


async def test_a_locked_database_is_waited_for(sqlite_database: Database, tmp_path: Path) -> None:
    database = sqlite_database
    agent = await make_agent(database)
    writer = Writer(database)
    other = sqlite3.connect(tmp_path / "voicecore.db", isolation_level=None)
    other.execute("PRAGMA busy_timeout=0")
    async with database.write() as connection:  # so that our own connections fail at once, not after 5 s
        await connection.exec_driver_sql("PRAGMA busy_timeout=1")
    for pooled in [database.read() for _ in range(4)]:
        async with pooled as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout=1")
    other.execute("BEGIN IMMEDIATE")
    writer.start()
    writer.put(CallOpened(call_of(agent)))
    while writer.retries < 2:
        assert await rows_in(database, calls) == 0  # reading goes on meanwhile
    other.execute("ROLLBACK")
    other.close()
    await writer.flush()
    assert await rows_in(database, calls) == 1
    await writer.stop()


async def test_a_turn_is_durable_within_100_ms(database: Database) -> None:
    agent = await make_agent(database)
    writer = Writer(database)
    writer.start()
    journal = CallLog(writer).open(agent)
    await writer.flush()
    delays = []
    for index in range(20):
        began = time.perf_counter()
        journal.turn_finished(Turn(index, 0.0))
        await writer.flush()
        delays.append(time.perf_counter() - began)
    await writer.stop()
    assert sorted(delays)[10] < 0.1
    assert await rows_in(database, turns) == 20


VICTIM = """
import asyncio, pathlib, sys
sys.path[:0] = [{root!r}, {here!r}]
from test_writer import make_agent
from pipelines.events import CallEvent, EventKind
from pipelines.timing import Mark, Turn
from voicecore.services.call_log import CallLog, recover
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer

async def main():
    database = await Database.open_file(pathlib.Path({path!r}))
    agent = await make_agent(database)
    writer = Writer(database)
    writer.start()
    log = CallLog(writer, node="n1")
    journal = log.open(agent, sid="CA1")
    journal.answered()
    marks = {{Mark.SPEECH_END: 800.0, Mark.FIRST_FRAME: 1300.0}}
    journal.turn_finished(Turn(0, 0.0, 4000.0, "are you open", "yes", "yes", marks=marks))
    CallLog(writer, node="n2").open(agent)
    await writer.flush()
    print(journal.call.external_id, agent.organization_uid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_finished_turn_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    program = VICTIM.format(root=str(HERE.parents[2]), here=str(HERE), path=str(path))
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    call_id = organization = ""
    while line := (await victim.stdout.readline()).decode():
        if line.startswith("call_"):
            call_id, organization = line.split()
            break
    victim.send_signal(signal.SIGKILL)
    assert await victim.wait() == -signal.SIGKILL
    database = await Database.open_file(path)
    try:
        assert await recover(database, "n1") == 1
        assert await recover(database, "n1") == 0
        async with database.read() as connection:
            call = await call_rows.find(connection, organization, call_id)
            assert call is not None
            found = await call_rows.turns_of(connection, call.uid)
            assert len(await call_rows.unfinished(connection, "n2")) == 1
    finally:
        await database.close()
    assert [(turn.caller_text, turn.heard_text) for turn in found] == [("are you open", "yes")]
    assert (call.status, call.end_reason) == (CallStatus.ENDED, EndReason.SERVER_CRASHED)
    assert call.outcome is Outcome.FAILED
    assert call.duration_s == pytest.approx(4.0)
    assert call.stages["response_latency"]["p50"] == 500

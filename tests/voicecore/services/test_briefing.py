"""What calls are answered by is read once for many calls, and never older than this process's own changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from config.schema import ServerSettings
from pipelines.errors import NotFound
from voicecore.services import operator
from voicecore.services.agents import AgentPatch, Agents
from voicecore.services.appointments import Appointments
from voicecore.services.briefing import FRESH_S, Briefings
from voicecore.services.knowledge import KnowledgeBase
from voicecore.storage.database import Database

SEED = """
organizations:
  - id: org_one
    name: One
    agents: [{id: desk, name: Desk, config: {phrases: [crown]}}]
"""


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    (tmp_path / "seed.yaml").write_text(SEED)
    settings = ServerSettings(data=str(tmp_path))
    async with operator.opened(settings, create=True) as office:
        await office.seed(tmp_path / "seed.yaml")
    opened = await Database.open(operator.database_url(settings))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def briefings(database: Database) -> AsyncIterator[Briefings]:
    made = Briefings(database, Agents(database), Appointments(database), KnowledgeBase(database))
    yield made
    await made.close()


class Statements:
    """How many SELECTs reached the database."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        sa.event.listen(database._views.engine, "before_cursor_execute", self._seen)

    def _seen(self, connection: object, cursor: object, statement: str, *rest: object) -> None:
        self.count += statement.lstrip().upper().startswith("SELECT")


async def test_many_calls_at_once_read_as_much_as_one(database: Database, briefings: Briefings) -> None:
    seen = Statements(database)
    first = await briefings.route("desk")
    await briefings.of(first.business)
    once = seen.count
    assert once > 0
    found = await asyncio.gather(*(briefings.route("desk") for _ in range(50)))
    await asyncio.gather(*(briefings.of(first.business) for _ in range(50)))
    assert seen.count == once
    assert {one.agent.external_id for one in found} == {"desk"}


async def test_a_change_counts_for_the_next_call(database: Database, briefings: Briefings) -> None:
    before = await briefings.route("desk")
    patch = AgentPatch(config={"phrases": ["bridge"]})
    await Agents(database).upsert(before.agent.organization_uid, "desk", patch)
    after = await briefings.route("desk")
    assert after.agent.version == before.agent.version + 1
    assert "bridge" in (await briefings.of(after.business)).vocabulary(after)


async def test_another_processes_change_counts_after_a_moment(database: Database, briefings: Briefings) -> None:
    await briefings.route("desk")
    async with database.append() as connection:  # as if from outside: nobody here is told
        await connection.exec_driver_sql("UPDATE agent_versions SET name = 'Front desk'")
    briefings._since_s -= FRESH_S
    assert (await briefings.route("desk")).agent.name == "Front desk"


async def test_what_is_not_there_is_looked_for_again(database: Database, briefings: Briefings) -> None:
    with pytest.raises(NotFound):
        await briefings.route("nobody")
    seen = Statements(database)
    with pytest.raises(NotFound):
        await briefings.route("nobody")
    assert seen.count > 0


async def test_who_gives_up_takes_the_answer_from_nobody(briefings: Briefings) -> None:
    impatient = asyncio.create_task(briefings.route("desk"))
    patient = asyncio.create_task(briefings.route("desk"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).agent.external_id == "desk"

"""Two seeded organizations on a real SQLite file, with cheap password hashes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from voicecore.services.agents import Agents, RoutedAgent
from voicecore.services.passwords import Passwords
from voicecore.services.seeding import Seeder
from voicecore.storage import tenants
from voicecore.storage.database import Database

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SEED = """
organizations:
  - id: org_one
    name: One Dental
    timezone: Europe/Berlin
    users: [{email: Ada@one.example, password: ada-password, roles: [admin, user]}]
    services: [{name: Check-up, minutes: 30}, {name: Cleaning, minutes: 60}]
    resources: [{id: chair_1, name: Chair}]
    opening_hours: {mon: "09:00-17:00", tue: "09:00-17:00", wed: "09:00-17:00", thu: "09:00-17:00",
                    fri: "09:00-17:00", sat: "09:00-17:00", sun: "09:00-17:00"}
    knowledge:
      - {id: kb_park, title: Parking, content: Park behind the house., tags: [parking, car]}
      - {id: kb_old, title: Christmas, content: Closed at christmas., valid_until: 2020-01-01T00:00:00Z}
    agents: [{id: agent_1, name: Reception, config: {greeting: "Hi from {company_name}"}}]
    phone_numbers: [{number: "+49 30 1111111", agent: agent_1}]
  - id: org_two
    name: Two Hair
    users: [{email: bob@two.example, password: bob-password, roles: [admin]}]
    resources: [{id: chair_1, name: Seat}]
    opening_hours: {mon: "09:00-17:00"}
    knowledge: [{id: kb_park, title: Parking, content: No parking at all., tags: [parking]}]
    agents: [{id: agent_1, name: Other}]
"""


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(CHEAP, workers=1)
    yield made
    made.close()


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded database file, made once; every test gets a copy."""
    directory = tmp_path_factory.mktemp("seeded")
    (directory / "seed.yaml").write_text(SEED)

    async def make() -> None:
        passwords = Passwords(CHEAP, workers=1)
        database = await Database.open_file(directory / "voicecore.db")
        await Seeder(database, passwords).seed(directory / "seed.yaml")
        await database.close()
        passwords.close()

    asyncio.run(make())
    return directory / "voicecore.db"


@pytest.fixture
async def database(tmp_path: Path, seeded_file: Path) -> AsyncIterator[Database]:
    shutil.copy(seeded_file, tmp_path / "voicecore.db")
    opened = await Database.open_file(tmp_path / "voicecore.db")
    yield opened
    await opened.close()


@pytest.fixture
async def one(database: Database) -> RoutedAgent:
    """Organization one's receptionist."""
    return await Agents(database).route(number="+49301111111")


@pytest.fixture
async def two(database: Database) -> RoutedAgent:
    mine = await Agents(database).route(number="+49301111111")
    everywhere = [a for a in await _all_agents(database) if a.agent.uid != mine.agent.uid]
    return everywhere[0]


async def _all_agents(database: Database) -> list[RoutedAgent]:
    async with database.read() as connection:
        organizations = await tenants.all_organizations(connection)
    return [await Agents(database).routed(o.uid, "agent_1") for o in organizations]

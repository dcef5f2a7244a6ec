"""Starts the REST side on a loopback port."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_server import SEED, Server, Start, cheap_passwords

from voicecore.services.seeding import Seeder
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded database file, made once; every test gets a copy."""
    path = tmp_path_factory.mktemp("seeded") / "voicecore.db"

    async def make() -> None:
        passwords = cheap_passwords()
        database = await Database.open_file(path)
        await Seeder(database, passwords).seed(SEED)
        await database.close()
        passwords.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def start(tmp_path: Path, seeded: Path) -> AsyncIterator[Start]:
    servers: list[Server] = []

    async def started(*, relaxed: bool = True, open_call_log: bool = True) -> Server:
        shutil.copy(seeded, tmp_path / "voicecore.db")
        database = await Database.open_file(tmp_path / "voicecore.db")
        writer = Writer(database)
        writer.start()
        server = Server(tmp_path, database, writer, relaxed, open_call_log)
        await server.client.start_server()
        servers.append(server)
        return server

    yield started
    for server in servers:
        await server.close()


@pytest.fixture
async def server(start: Start) -> Server:
    return await start()

"""A real server on a free loopback port: real database, real sockets, engines that answer at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher
from database_copies import KINDS, POSTGRES, Copies
from media_server import SEED, House, Serve, settings
from postgres_cluster import GIVEN, MISSING, Cluster, cluster, programs
from structlog.testing import capture_logs

from config.schema import ServerSettings
from voicecore.app import running
from voicecore.services.operator import opened
from voicecore.services.passwords import Passwords
from voicecore.services.seeding import Seeder
from voicecore.storage.database import Database


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server; without one the test is skipped."""
    if not GIVEN and programs() is None:
        pytest.skip(MISSING)
    with cluster() as started:
        yield started


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Copies:
    return Copies(tmp_path_factory.mktemp("templates"), lambda: request.getfixturevalue("postgres"))


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """What stores: tests that use it run once on each."""
    if request.param == POSTGRES:
        request.getfixturevalue("postgres")
    return str(request.param)


@pytest.fixture(scope="session")
def seeded_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two organizations, made once. Every server gets a copy."""
    directory = tmp_path_factory.mktemp("data")
    (directory / "seed.yaml").write_text(SEED)

    async def make() -> None:
        passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), workers=1)
        database = await Database.open_file(directory / "voicecore.db")
        await Seeder(database, passwords).seed(directory / "seed.yaml")
        await database.close()
        passwords.close()

    asyncio.run(make())
    return directory


@pytest.fixture
async def serve(tmp_path: Path, seeded_data: Path) -> AsyncIterator[Serve]:
    """Start a server; keywords are settings. It is taken down after the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def started(chosen: ServerSettings | None = None, **changes: Any) -> House:
            data = tmp_path / "data"
            if not data.exists():
                shutil.copytree(seeded_data, data)
            wanted = chosen or settings(str(data), **changes)
            logged = stack.enter_context(capture_logs())
            office = await stack.enter_async_context(opened(wanted))
            server = await stack.enter_async_context(running(wanted))
            await server.warming  # so that only calls start and end tasks from here on
            return House(server, office, logged)

        yield started


@pytest.fixture
async def house(serve: Serve) -> House:
    return await serve()


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Commands set up logging for their process; here it is taken back, or later tests would see no log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()

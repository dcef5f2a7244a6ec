"""A real database per test, migrated, of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from database_copies import POSTGRES, SQLITE, Copies
from postgres_cluster import Cluster

from voicecore.storage.database import Database
from voicecore.storage.engines import sqlite_url


@pytest.fixture
async def database(tmp_path: Path, copies: Copies, database_kind: str) -> AsyncIterator[Database]:
    async with copies.copy(database_kind, tmp_path) as url:
        opened = await Database.open(url)
        yield opened
        await opened.close()


@pytest.fixture
async def sqlite_database(tmp_path: Path, copies: Copies) -> AsyncIterator[Database]:
    """In `tmp_path / "voicecore.db"`, for what is said of SQLite alone."""
    async with copies.copy(SQLITE, tmp_path) as url:
        opened = await Database.open(url)
        yield opened
        await opened.close()


@pytest.fixture
async def empty_url(tmp_path: Path, postgres_or_none: Cluster | None) -> AsyncIterator[str]:
    """Of a database without a table."""
    if postgres_or_none is None:
        yield sqlite_url(tmp_path / "empty.db")
        return
    name = await postgres_or_none.create()
    yield postgres_or_none.url(name)
    await postgres_or_none.drop(name)


@pytest.fixture
def postgres_or_none(database_kind: str, request: pytest.FixtureRequest) -> Cluster | None:
    return request.getfixturevalue("postgres") if database_kind == POSTGRES else None

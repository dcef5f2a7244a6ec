"""Databases for tests, of every kind that the server runs on: made and seeded once, and a fresh one for each test.

A file is copied. A database of PostgreSQL, which takes long to copy, gets its first rows back after each test.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
from argon2 import PasswordHasher
from postgres_cluster import Cluster

from voicecore.services.passwords import Passwords
from voicecore.services.seeding import Seeder
from voicecore.storage.database import Database
from voicecore.storage.engines import sqlite_url
from voicecore.storage.schema import metadata

SQLITE, POSTGRES = "sqlite", "postgresql"
KINDS = (SQLITE, POSTGRES)


class Copies:
    """`cluster` starts PostgreSQL when it is first needed."""

    def __init__(self, directory: Path, cluster: Callable[[], Cluster]) -> None:
        self._directory = directory
        self._cluster = cluster
        self._files: dict[Path | None, Path] = {}
        self._free: dict[Path | None, list[Resettable]] = defaultdict(list)

    @contextlib.asynccontextmanager
    async def copy(self, kind: str, directory: Path, seed: Path | None = None) -> AsyncIterator[str]:
        """The URL of a database of its own, with what `seed` says in it, until the context is left."""
        if kind == SQLITE:
            if seed not in self._files:
                self._files[seed] = self._directory / f"{len(self._files)}.db"
                await _fill(sqlite_url(self._files[seed]), seed)
            shutil.copy(self._files[seed], directory / "voicecore.db")
            yield sqlite_url(directory / "voicecore.db")
            return
        free = self._free[seed]
        ours = free.pop() if free else await self._new(seed)
        yield ours.url
        if await ours.reset():
            free.append(ours)

    async def _new(self, seed: Path | None) -> Resettable:
        cluster = self._cluster()
        url = cluster.url(await cluster.create())
        await _fill(url, seed)
        made = Resettable(url)
        await made.remember()
        return made


class Resettable:
    """A database that can be made what it was. Its user must be a superuser: foreign keys are not looked at."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._script = ""

    async def remember(self) -> None:
        tables = [f'"{table.name}"' for table in metadata.sorted_tables]
        steps = ["BEGIN", "SET LOCAL session_replication_role = replica"]
        steps += [f"DELETE FROM public.{name}" for name in tables]
        async with self._connected() as connection:
            await connection.execute("CREATE SCHEMA remembered")
            for name in tables:
                if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM public.{name})"):
                    await connection.execute(f"CREATE TABLE remembered.{name} AS TABLE public.{name}")
                    steps.append(f"INSERT INTO public.{name} SELECT * FROM remembered.{name}")
            sequences = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
            for name, last in await connection.fetch(sequences):
                steps.append(f"SELECT setval('public.{name}', {last or 1}, {str(last is not None).lower()})")
        self._script = ";".join([*steps, "COMMIT"])

    async def reset(self) -> bool:
        """False: it cannot be, for a test took a table away."""
        async with self._connected() as connection:
            try:
                await connection.execute(self._script)
            except asyncpg.UndefinedTableError:
                return False
        return True

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            yield connection
        finally:
            await connection.close()


async def _fill(url: str, seed: Path | None) -> None:
    database = await Database.open(url)
    try:
        if seed is not None:
            with contextlib.closing(cheap_passwords()) as passwords:
                await Seeder(database, passwords).seed(seed)
    finally:
        await database.close()


def cheap_passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), workers=1)

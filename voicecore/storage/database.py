"""Opens the database, brings its schema up to date, and hands out transactions.

`read()`, `write()` and `append()` are the only ways in. On SQLite writers queue here, in order, instead of
polling for the file's lock; other processes are still met by the busy timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from voicecore.storage.connections import Author, Reader
from voicecore.storage.engines import EngineKind, kind_named, kind_of, sqlite_url
from voicecore.storage.foresight import Foresight
from voicecore.storage.memory import Memory
from voicecore.storage.pace import Pace
from voicecore.storage.schema import metadata
from voicecore.storage.views import Views

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = sa.Table(  # as Alembic makes and reads it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


class Database:
    """Made by `Database.open`."""

    def __init__(self, engine: AsyncEngine, kind: EngineKind, views: Views, *, alone: bool = False) -> None:
        self.kind = kind
        self.memory = Memory(engine.dialect, alone=alone)
        self._engine = engine
        self._views = views
        self._turn = asyncio.Lock()
        self._pace = Pace()
        self._foresight = Foresight(self._foresee)
        self._looking: asyncio.Future[None] | None = None
        self._version: object = None  # of what others have written, as far as we know
        self.changes = 0  # transactions of this process that may have changed what calls are answered by

    @classmethod
    async def open(cls, url: str, *, alone: bool = False) -> Database:
        """Migrate and connect all of the pool, so that threads and files do not grow later. `alone`: no other server
        writes to it.

        Raises ConfigError for an unknown kind of URL, OperationalError when it cannot be reached.
        """
        url, kind = kind_of(url)
        engine = create_async_engine(
            url,
            json_serializer=_encode,
            json_deserializer=msgspec.json.decode,
            max_overflow=0,
            **kind.arguments(),
        )
        await asyncio.to_thread(kind.prepare, engine.url)
        database = cls(engine, kind, kind.views(engine), alone=alone)
        try:
            await database._migrate()
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def open_file(cls, path: Path) -> Database:
        """SQLite in a file; its directory is made."""
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        return await cls.open(sqlite_url(path))

    async def _migrate(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(upgrade)
        await self._look()  # before there are other connections
        await self._views.fill()

    async def learn(self) -> None:
        """Let the database see how much it holds by now, so that it finds things the short way."""
        if self.kind.learning():
            await self._look()
            await self._views.renew()

    async def _look(self) -> None:
        async with self._turn, self._engine.begin() as connection:
            for statement in self.kind.learning():
                await connection.exec_driver_sql(statement)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view of what is not remembered. Do not nest: the pool is small."""
        connection = Reader(self._engine, self.memory, self._foresight, self._views.view(), self._pace)
        try:
            yield connection
        finally:
            await connection.leave()

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that owns the write lock from its beginning; committed unless something is raised."""
        async with self.append() as connection:
            yield connection
        self.changes += 1

    @contextlib.asynccontextmanager
    async def append(self) -> AsyncIterator[AsyncConnection]:
        """As `write`, for what calls report: nothing that another call is answered by changes."""
        async with self._turn:
            connection = Author(self._engine)
            try:
                async with connection, connection.begin():
                    yield connection
                    self.memory.changing(connection.touched)
            finally:
                self.memory.changed(connection.touched)

    async def _foresee(self, statement: sa.Executable) -> None:
        async with self.read() as connection:
            await connection.execute(statement)

    async def look_around(self) -> None:
        """Nothing is remembered that another process, such as an operator's command, has changed meanwhile: as far as
        the kind of database tells, which is a file."""
        if self.kind.version:
            self._looking = asyncio.ensure_future(self._look_at_version())
            # Who is cancelled while a transaction begins would leave the file locked.
            await asyncio.shield(self._looking)

    async def _look_at_version(self) -> None:
        async with self._turn, self._engine.begin() as connection:
            version = (await connection.exec_driver_sql(self.kind.version)).scalar()
        if self._version not in (None, version):
            self.memory.forget()
        self._version = version

    async def ping(self) -> None:
        async with self.read() as connection:
            await connection.execute(sa.text("SELECT 1"))

    async def close(self) -> None:
        if self._looking is not None:
            await asyncio.wait([self._looking])
        await self._foresight.close()
        await self._views.close()
        await self._engine.dispose()


def upgrade(connection: sa.Connection) -> None:
    """Bring the schema up to date, inside the caller's transaction: at once when there is none yet, else what is
    missing of the one history of migrations."""
    newest = max(file.stem.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    connection.exec_driver_sql(kind_named(connection.dialect.name).schema_turn())
    if not sa.inspect(connection).has_table(VERSION_TABLE.name):
        create(connection, newest)
    elif connection.execute(sa.select(VERSION_TABLE)).scalar() != newest:
        migrate(connection)


def create(connection: sa.Connection, revision: str) -> None:
    """All tables as they are now, as if the migrations up to this one had made them (a test compares the two)."""
    metadata.create_all(connection, checkfirst=False)
    for statement in kind_named(connection.dialect.name).extra_schema():
        connection.exec_driver_sql(statement)
    VERSION_TABLE.create(connection)
    connection.execute(sa.insert(VERSION_TABLE).values(version_num=revision))


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """Run what is missing of the history, up to a revision."""
    # Not before it is needed: it takes a fifth of the start.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)

"""The differences between databases, and nothing else: SQLite by default, PostgreSQL by URL.

Everything that is not in these two classes is SQL that both understand.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from pipelines.errors import ConfigError
from voicecore.storage.file_views import AT_ONCE, BUSY_TIMEOUT_MS, FileViews
from voicecore.storage.views import CONNECTIONS, PooledViews, Views

CACHED_STATEMENTS = 512
AGAIN_S = 0.02
# How transactions begin: one that reads before it writes must own the write lock from its first statement on.
READ, WRITE = "BEGIN", "BEGIN IMMEDIATE"
SCHEMA_LOCK = 7016838  # any number, the same in every process
TAKEN = "the resource is taken at that time"


class EngineKind(Protocol):
    name: str
    version: str  # a statement whose answer changes on one connection when others have written; "": there is none

    def arguments(self) -> dict[str, Any]:
        """What `create_async_engine` needs besides the URL."""
        ...

    def prepare(self, url: sa.URL) -> None:
        """What is done once, before there are connections. Blocks. Raises OperationalError."""
        ...

    def views(self, engine: AsyncEngine) -> Views:
        """Install per-connection settings and the way in which transactions that write begin; returns those that
        do not."""
        ...

    def learning(self) -> list[str]:
        """Statements that let it see how much is in which table, where it does not look itself; connections that are
        made from then on know."""
        ...

    def schema_turn(self) -> str:
        """A statement that waits until no other process changes the schema, and keeps them out until the commit."""
        ...

    def extra_schema(self) -> list[str]:
        """Statements that tables cannot express: no double booking, full-text search."""
        ...

    def full_text(self, words: list[str]) -> tuple[str, str]:
        """SQL for the `seq` of an :organization's articles with any of the :words, best :count first, and
        what :words must be bound to."""
        ...


class Sqlite:
    """WAL, so that readers and the one writer do not wait for each other. synchronous=NORMAL: what was
    committed survives the death of the process; a power cut may lose the last commits, never the file
    (https://www.sqlite.org/pragma.html#pragma_synchronous)."""

    name = "sqlite"
    version = "PRAGMA data_version"  # of the connection that all of ours write through

    def arguments(self) -> dict[str, Any]:
        return {"pool_size": 1, "connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000}}  # there is one writer

    def prepare(self, url: sa.URL) -> None:
        # Who changes the mode is told at once that somebody else is there, without waiting for him: servers that start
        # together take turns here.
        until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        statement = "PRAGMA journal_mode=WAL"
        while True:
            try:
                with contextlib.closing(sqlite3.connect(str(url.database))) as connection:
                    connection.execute(statement)
                return
            except sqlite3.DatabaseError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise sa.exc.OperationalError(statement, None, error) from error
                time.sleep(AGAIN_S)

    def views(self, engine: AsyncEngine) -> Views:
        self._configure(engine.sync_engine, WRITE, BUSY_TIMEOUT_MS)
        own = {"timeout": 0, "check_same_thread": False, "cached_statements": CACHED_STATEMENTS}
        url = engine.url.set(drivername="sqlite+pysqlite")
        pool = {"pool_size": AT_ONCE, "max_overflow": 0}
        reading = sa.create_engine(url, connect_args=own, json_deserializer=msgspec.json.decode, **pool)
        self._configure(reading, READ, 0)
        return FileViews(reading)

    def _configure(self, engine: sa.Engine, begin: str, busy_timeout_ms: int) -> None:
        @event.listens_for(engine, "connect")
        def connected(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
            cursor = connection.cursor()
            for pragma in (
                f"busy_timeout={BUSY_TIMEOUT_MS}",
                "synchronous=NORMAL",
                "foreign_keys=ON",
                "cache_size=-8000",
                "secure_delete=ON",  # what privacy requests remove is overwritten
                f"query_only={begin == READ}",
                f"busy_timeout={busy_timeout_ms}",
            ):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begun(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

    def learning(self) -> list[str]:
        # Else it takes an organization's rows for few (https://www.sqlite.org/lang_analyze.html).
        return ["PRAGMA analysis_limit=1000", "ANALYZE"]

    def schema_turn(self) -> str:
        return "SELECT 1"  # a transaction that writes has begun, and owns the file

    def extra_schema(self) -> list[str]:
        clash = (
            "WHEN NEW.status <> 'cancelled' AND EXISTS (SELECT 1 FROM appointments a WHERE"
            " a.resource_uid = NEW.resource_uid AND a.uid <> NEW.uid AND a.status <> 'cancelled'"
            " AND a.starts_at < NEW.ends_at AND NEW.starts_at < a.ends_at)"
            f" BEGIN SELECT RAISE(ABORT, '{TAKEN}'); END"
        )
        columns = "rowid, title, questions, tags, content"
        new = "VALUES (NEW.seq, NEW.title, NEW.questions, NEW.tags, NEW.content)"
        return [
            f"CREATE TRIGGER appointments_taken_insert BEFORE INSERT ON appointments {clash}",
            f"CREATE TRIGGER appointments_taken_update BEFORE UPDATE ON appointments {clash}",
            "CREATE VIRTUAL TABLE knowledge_fts USING fts5(title, questions, tags, content,"
            " tokenize = 'porter unicode61 remove_diacritics 2')",
            "CREATE TRIGGER knowledge_fts_insert AFTER INSERT ON knowledge_articles"
            f" BEGIN INSERT INTO knowledge_fts({columns}) {new}; END",
            "CREATE TRIGGER knowledge_fts_update AFTER UPDATE ON knowledge_articles"
            f" BEGIN DELETE FROM knowledge_fts WHERE rowid = OLD.seq;"
            f" INSERT INTO knowledge_fts({columns}) {new}; END",
            "CREATE TRIGGER knowledge_fts_delete AFTER DELETE ON knowledge_articles"
            " BEGIN DELETE FROM knowledge_fts WHERE rowid = OLD.seq; END",
        ]

    def full_text(self, words: list[str]) -> tuple[str, str]:
        query = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
        sql = (
            "SELECT a.seq FROM knowledge_fts JOIN knowledge_articles a ON a.seq = knowledge_fts.rowid"
            " WHERE knowledge_fts MATCH :words AND a.organization_uid = :organization"
            " ORDER BY bm25(knowledge_fts, 4, 4, 3, 1) LIMIT :count"
        )
        return sql, query


class Postgres:
    """Row-level locking and MVCC: nothing to set per connection. Needs `pip install 'voicecore[postgres]'`."""

    name = "postgresql"
    version = ""
    _document = (
        "to_tsvector('english', {a}title || ' ' || {a}questions::text || ' ' || {a}tags::text || ' ' || {a}content)"
    )

    def arguments(self) -> dict[str, Any]:
        return {"pool_size": CONNECTIONS, "pool_pre_ping": True}

    def prepare(self, url: sa.URL) -> None:
        return None

    def views(self, engine: AsyncEngine) -> Views:
        return PooledViews(engine)

    def learning(self) -> list[str]:
        return []

    def schema_turn(self) -> str:
        return f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"

    def extra_schema(self) -> list[str]:
        document = self._document.format(a="")
        return [
            "CREATE EXTENSION IF NOT EXISTS btree_gist",
            "ALTER TABLE appointments ADD CONSTRAINT appointments_taken EXCLUDE USING gist"
            " (resource_uid WITH =, tstzrange(starts_at, ends_at) WITH &&)"
            " WHERE (status <> 'cancelled')",
            f"CREATE INDEX knowledge_fts ON knowledge_articles USING gin ({document})",
        ]

    def full_text(self, words: list[str]) -> tuple[str, str]:
        document = self._document.format(a="a.")
        query = " | ".join("'" + word.replace("'", "''").replace("\\", "") + "'" for word in words)
        sql = (
            f"SELECT a.seq FROM knowledge_articles a WHERE {document} @@ to_tsquery('english', :words)"
            " AND a.organization_uid = :organization"
            f" ORDER BY ts_rank({document}, to_tsquery('english', :words)) DESC LIMIT :count"
        )
        return sql, query


_SCHEMES: dict[str, tuple[str, type[Sqlite] | type[Postgres]]] = {
    "sqlite": ("sqlite+aiosqlite", Sqlite),
    "postgresql": ("postgresql+asyncpg", Postgres),
    "postgres": ("postgresql+asyncpg", Postgres),
}


def kind_of(url: str) -> tuple[str, EngineKind]:
    """The URL with its async driver, and the differences of its database. Raises ConfigError."""
    scheme, found, rest = url.partition("://")
    plain = scheme.partition("+")[0]
    if not found or plain not in _SCHEMES:
        raise ConfigError("no such kind of database; there are: sqlite, postgresql", source="database_url")
    driver, kind = _SCHEMES[plain]
    if kind is Sqlite and rest.removeprefix("/") in ("", ":memory:"):
        raise ConfigError("must name a file", source="database_url")
    return f"{driver}://{rest}", kind()


def kind_named(dialect: str) -> EngineKind:
    """For migrations, which see the connection only."""
    return Sqlite() if dialect == "sqlite" else Postgres()


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"

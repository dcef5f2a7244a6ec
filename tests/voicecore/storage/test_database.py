"""The schema: migrations make exactly the tables of schema.py, and its constraints bite."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from pipelines.errors import ConfigError
from voicecore.storage.database import MIGRATIONS, Database, migrate
from voicecore.storage.forwards import Irreversible
from voicecore.storage.schema import metadata

# What tables cannot express: triggers and virtual tables here, exclusion and expression indexes there.
REST = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' OR sql LIKE 'CREATE VIRTUAL%' ORDER BY name",
    "postgresql": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype IN ('x', 'c')"
    " UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
}


def ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    return not (kind in ("table", "index") and str(name).startswith("knowledge_fts"))


def differences(connection: sa.Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"include_object": ours})
    return list(compare_metadata(context, metadata))


def everything(connection: sa.Connection) -> dict[str, Any]:
    """All that can be asked of a schema: columns with their defaults, keys, indexes, triggers, virtual tables."""
    inspector = sa.inspect(connection)
    tables = {
        name: (
            sorted(inspector.get_columns(name), key=lambda column: column["name"]).__repr__(),
            inspector.get_pk_constraint(name),
            sorted(inspector.get_foreign_keys(name), key=repr),
            sorted(inspector.get_unique_constraints(name), key=repr),
            sorted(inspector.get_check_constraints(name), key=repr),
            sorted(map(_index, inspector.get_indexes(name))),
        )
        for name in inspector.get_table_names()
        if not name.startswith("knowledge_fts")
    }
    rest = connection.exec_driver_sql(REST[connection.dialect.name])
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return {**tables, "rest": [tuple(row) for row in rest], "revision": revision}


def _index(index: Any) -> str:
    """The condition of a partial one is an object: its text counts."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return repr({**index, "dialect_options": options})


async def test_a_new_database_is_what_the_migrations_make(
    database: Database, empty_url: str, database_kind: str
) -> None:
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
        assert await connection.run_sync(differences) == []
        expected = await connection.run_sync(everything)
    await engine.dispose()
    async with database.read() as connection_now:
        assert await connection_now.run_sync(differences) == []
        assert await connection_now.run_sync(everything) == expected


async def test_servers_that_start_together_make_one_schema(empty_url: str) -> None:
    opened = await asyncio.gather(*(Database.open(empty_url) for _ in range(3)))
    for database in opened:
        await database.ping()
        await database.close()


async def test_an_older_database_runs_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = sa.create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        migrate(connection, "0003")
        connection.exec_driver_sql(
            "INSERT INTO users (uid, email, active, created_at) VALUES ('u', 'u', 1, '2026-01-01 00:00:00')"
        )
    old.dispose()
    database = await Database.open_file(path)
    async with database.read() as connection_now:
        assert (await connection_now.execute(sa.text("SELECT count(*) FROM users"))).scalar_one() == 1
        assert await connection_now.run_sync(differences) == []
    await database.close()


async def test_old_calls_get_the_new_facts_and_keep_what_hangs_on_them(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = sa.create_engine(f"sqlite:///{path}")
    at = "2026-01-01 00:00:00"
    with old.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        migrate(connection, "0005")
        for statement in (
            "INSERT INTO organizations (uid, external_id, address, settings, created_at)"
            f" VALUES ('o', 'o', '{{}}', '{{}}', '{at}')",
            "INSERT INTO businesses (uid, organization_uid, external_id, name, created_at)"
            f" VALUES ('b', 'o', 'b', 'One', '{at}')",
            "INSERT INTO agents (uid, organization_uid, business_uid, external_id, version, created_at)"
            f" VALUES ('a', 'o', 'b', 'a', 1, '{at}')",
            "INSERT INTO calls (uid, organization_uid, external_id, direction, status, agent_uid, agent_version,"
            " end_reason, outcome, metadata, media_health, stages, created_at, answered_at, ended_at)"
            " VALUES ('c', 'o', 'c', 'inbound', 'ended', 'a', 1, 'caller_hangup', 'completed', '{}', '{}',"
            f""" '{{"stt": {{"p50": 20.5}}}}', '{at}', '{at}', '2026-01-01 00:00:45.500000')""",
            'INSERT INTO turns (uid, call_uid, "index", started_ms, ended_ms, interrupted, marks, tools)'
            " VALUES ('t', 'c', 0, 0, 1, 0, '{}', '[]')",
        ):
            connection.exec_driver_sql(statement)
    old.dispose()
    database = await Database.open_file(path)
    async with database.read() as connection_now:
        query = sa.text("SELECT business_uid, duration_s, stt_ms, llm_ms, notes FROM calls")
        assert (await connection_now.execute(query)).all() == [("b", 45.5, 20.5, None, "")]
        assert (await connection_now.execute(sa.text("SELECT uid FROM turns"))).all() == [("t",)]
        assert (await connection_now.execute(sa.text("SELECT name, profession FROM businesses"))).all() == [("One", "")]
    await database.close()


async def test_opening_twice_keeps_the_data(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "v.db"
    for expected in (0, 1):
        database = await Database.open_file(path)
        async with database.write() as connection:
            found = (await connection.execute(sa.text("SELECT count(*) FROM users"))).scalar_one()
            assert found == expected
            await connection.execute(
                sa.text("INSERT INTO users (uid, email, active, created_at) VALUES (:u, :u, 1, '2026-01-01 00:00:00')"),
                {"u": f"u{expected}"},
            )
        await database.close()


async def test_settings_of_a_connection(sqlite_database: Database) -> None:
    async with sqlite_database.read() as connection:
        for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 1)):
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == value


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    insert = sa.text("INSERT INTO users (uid, email, active, created_at) VALUES ('a', :e, true, '2026-01-01')")

    async def twice() -> None:
        async with database.write() as connection:
            await connection.execute(insert, {"e": "one"})
            await connection.execute(insert, {"e": "two"})

    with pytest.raises(IntegrityError):
        await twice()
    async with database.read() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM users"))).scalar_one() == 0


async def test_foreign_keys_hold(database: Database) -> None:
    statement = (
        "INSERT INTO memberships (uid, user_uid, organization_uid, roles, created_at)"
        " VALUES ('m', 'nobody', 'nothing', '[]', '2026-01-01')"
    )
    async with database.write() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(sa.text(statement))


async def test_unknown_databases_are_refused() -> None:
    for url in ("mysql://x", "nonsense", ""):
        with pytest.raises(ConfigError, match="no such kind of database"):
            await Database.open(url)


async def test_there_is_no_way_back(tmp_path: Path) -> None:
    database = await Database.open_file(tmp_path / "voicecore.db")
    async with database._engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")

        def back(sync: sa.Connection) -> None:
            config.attributes["connection"] = sync
            command.downgrade(config, "-1")

        with pytest.raises(Irreversible, match="restore a backup"):
            await connection.run_sync(back)
    await database.close()

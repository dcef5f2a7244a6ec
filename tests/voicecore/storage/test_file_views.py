"""Quick questions are answered on the loop, slow ones in a thread, and nobody who gives up leaves one running."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from pipelines.errors import ConfigError
from voicecore.domain import instants
from voicecore.storage.database import Database
from voicecore.storage.file_views import AT_ONCE, FileViews
from voicecore.storage.schema import organizations

QUICK = sa.select(sa.func.count()).select_from(organizations)
AN_HOUR = 10_000_000_000
ORGANIZATION = {"uid": "o", "external_id": "o", "address": {}, "settings": {}, "created_at": instants.now()}


def counting(upto: int) -> sa.Select[tuple[int]]:
    """SQLite counts that far; the shape is the same for every number. A table is in it, else nothing is known of it."""
    numbers = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < upto))
    none = sa.select(sa.func.count()).select_from(organizations).where(organizations.c.uid == "").scalar_subquery()
    return sa.select(sa.func.count() + none).select_from(numbers)


@pytest.fixture
def on_loop(sqlite_database: Database) -> Iterator[list[bool]]:
    """Of each statement in turn: whether it was asked on the loop."""
    seen: list[bool] = []
    engine = sqlite_database._views.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(threading.current_thread() is threading.main_thread())

    yield seen
    event.remove(engine, "before_cursor_execute", note)


async def asked(database: Database, statement: sa.Select[tuple[int]]) -> int:
    async with database.read() as connection:
        found: int = (await connection.execute(statement)).scalar_one()
    return found


async def test_what_takes_long_is_asked_again_in_a_thread(sqlite_database: Database, on_loop: list[bool]) -> None:
    assert await asked(sqlite_database, QUICK) == 0
    assert on_loop == [True]
    assert await asked(sqlite_database, counting(300_000)) == 300_000
    assert on_loop == [True, True, False]
    assert await asked(sqlite_database, counting(300_001)) == 300_001  # its shape is known
    assert on_loop == [True, True, False, False]


async def test_what_was_begun_stays_one_view(sqlite_database: Database, on_loop: list[bool]) -> None:
    """Also after a statement was given up on the loop."""
    async with sqlite_database.read() as connection:
        await connection.execute(counting(300_000))
        async with sqlite_database.write() as writer:
            await writer.execute(sa.insert(organizations).values(ORGANIZATION))
        assert (await connection.execute(QUICK)).scalar_one() == 0
    assert on_loop[-1]
    assert await asked(sqlite_database, QUICK) == 1


async def test_who_gives_up_waiting_ends_what_he_asked(sqlite_database: Database) -> None:
    in_thread = threading.Event()

    @event.listens_for(sqlite_database._views.engine, "before_cursor_execute")
    def note(*_: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            in_thread.set()

    waiting = [asyncio.create_task(asked(sqlite_database, counting(AN_HOUR + n))) for n in range(AT_ONCE)]
    queued = asyncio.create_task(asked(sqlite_database, QUICK))
    await asyncio.wait_for(asyncio.to_thread(in_thread.wait), 10)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert all(task.cancelled() for task in waiting)
    assert await queued == 0  # there is a place again


async def test_an_error_is_told_once_asked_in_the_thread(sqlite_database: Database) -> None:
    with pytest.raises(OperationalError, match="no such table"):
        await asked(sqlite_database, sa.select(sa.func.count()).select_from(sa.table("nowhere")))
    assert await asked(sqlite_database, QUICK) == 0


async def test_nothing_is_written_by_looking(sqlite_database: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        async with sqlite_database.read() as connection:
            await connection.exec_driver_sql("DELETE FROM organizations")


async def test_slow_shapes_are_forgotten_in_time(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    views = sqlite_database._views
    assert isinstance(views, FileViews)
    views.note_slow("a shape")
    assert views.is_slow("a shape")
    monkeypatch.setattr("voicecore.storage.file_views.SHAPES", 1)
    views.note_slow("another")
    assert [views.is_slow(shape) for shape in ("a shape", "another")] == [False, True]
    monkeypatch.setattr("voicecore.storage.file_views.SLOW_S", -1.0)
    views.note_slow("another")
    assert not views.is_slow("another")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
async def test_a_database_has_a_file(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must name a file"):
        await Database.open(url)

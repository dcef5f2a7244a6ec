"""The database looks at itself once an hour, and knows afterwards how much it holds."""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.services.upkeep import EVERY_S, Upkeep
from voicecore.storage.database import Database
from voicecore.storage.schema import organizations


async def test_once_an_hour(database: Database) -> None:
    now_s = 5.0
    upkeep = Upkeep(database, lambda: now_s)
    async with database.append() as connection:
        await connection.execute(sa.delete(organizations))
    assert not await upkeep.step()
    now_s += EVERY_S
    assert await upkeep.step()
    assert not await upkeep.step()
    async with database.read() as connection:
        looked = await connection.exec_driver_sql("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'organizations'")
        assert looked.scalar() == 0

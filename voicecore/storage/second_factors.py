"""Rows of second factors and of the codes that stand in for them. What is good for one login is spent by the
database, so that it is good for no other.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.second_factors import RecoveryCode, SecondFactor
from voicecore.storage import records
from voicecore.storage.schema import recovery_codes, second_factors


async def verified(connection: AsyncConnection, user_uid: str) -> SecondFactor | None:
    column = second_factors.c
    query = sa.select(second_factors).where(column.user_uid == user_uid, column.verified_at.is_not(None))
    return await records.first(connection, SecondFactor, query.order_by(column.seq.desc()))


async def waiting(connection: AsyncConnection, user_uid: str) -> SecondFactor | None:
    column = second_factors.c
    query = sa.select(second_factors).where(column.user_uid == user_uid, column.verified_at.is_(None))
    return await records.first(connection, SecondFactor, query.order_by(column.seq.desc()))


async def verified_among(connection: AsyncConnection, user_uids: list[str]) -> set[str]:
    column = second_factors.c
    query = sa.select(column.user_uid).where(column.user_uid.in_(user_uids), column.verified_at.is_not(None))
    return set((await connection.execute(query)).scalars())


async def replace_waiting(connection: AsyncConnection, factor: SecondFactor, codes: list[RecoveryCode]) -> None:
    column = second_factors.c
    old = sa.delete(second_factors).where(column.user_uid == factor.user_uid, column.verified_at.is_(None))
    await connection.execute(old)
    await records.insert(connection, second_factors, factor)
    for code in codes:
        await records.insert(connection, recovery_codes, code)


async def take_step(connection: AsyncConnection, factor_uid: str, step: int) -> bool:
    """A code of this step is used; False when one of it, or of a later one, was used before."""
    column = second_factors.c
    statement = sa.update(second_factors).where(column.uid == factor_uid, column.last_step < step)
    return (await connection.execute(statement.values(last_step=step))).rowcount == 1


async def verify(connection: AsyncConnection, factor: SecondFactor, at: datetime) -> None:
    """From now on this one, and no other of the user's."""
    column = second_factors.c
    await connection.execute(sa.update(second_factors).where(column.uid == factor.uid).values(verified_at=at))
    await connection.execute(
        sa.delete(second_factors).where(column.user_uid == factor.user_uid, column.uid != factor.uid)
    )


async def unused_codes(connection: AsyncConnection, factor_uid: str) -> list[RecoveryCode]:
    column = recovery_codes.c
    query = sa.select(recovery_codes).where(column.factor_uid == factor_uid, column.used_at.is_(None))
    return await records.every(connection, RecoveryCode, query.order_by(column.seq))


async def use_code(connection: AsyncConnection, code_uid: str, at: datetime) -> bool:
    """False when somebody was faster."""
    column = recovery_codes.c
    statement = sa.update(recovery_codes).where(column.uid == code_uid, column.used_at.is_(None))
    return (await connection.execute(statement.values(used_at=at))).rowcount == 1


async def sealed(connection: AsyncConnection) -> list[tuple[str, str]]:
    """(uid, sealed secret) of all."""
    found = (await connection.execute(sa.select(second_factors.c.uid, second_factors.c.sealed_secret))).all()
    return [(row.uid, row.sealed_secret) for row in found]


async def reseal(connection: AsyncConnection, uid: str, sealed_secret: str) -> None:
    statement = sa.update(second_factors).where(second_factors.c.uid == uid)
    await connection.execute(statement.values(sealed_secret=sealed_secret))

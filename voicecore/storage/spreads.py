"""Calls and bookings by the days and hours of a wall clock, counted in the database: a year is a few hundred rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.calls import CallFilter
from voicecore.domain.trade import Booked, BookedFilter
from voicecore.storage.bookings import REVENUE, conditions
from voicecore.storage.calls import narrowed
from voicecore.storage.columns import epoch_s
from voicecore.storage.schema import appointments, calls
from voicecore.storage.sums import summed

HOUR_S, DAY_S = 3600, 86400
EPOCH = date(1970, 1, 1)

Clock = Sequence[tuple[datetime, int]]  # as `instants.clock` makes it


def _local_s(at: sa.ColumnElement[Any], clock: Clock) -> sa.ColumnElement[int]:
    *earlier, (_, last) = clock
    shift = sa.case(*((at < until, offset) for until, offset in earlier), else_=last) if earlier else sa.literal(last)
    return epoch_s(at) + shift


def _day(at: sa.ColumnElement[Any], clock: Clock) -> sa.Label[int]:
    return (_local_s(at, clock) // DAY_S).label("day")


async def calls_per_day(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter, clock: Clock
) -> dict[date, int]:
    """Without days that had none."""
    day = _day(calls.c.created_at, clock)
    query = sa.select(day, sa.func.count()).group_by(day)
    rows = await summed(connection, query, narrowed(organization_uid, wanted), keys=1)
    return {EPOCH + timedelta(days=number): count for number, count in rows}


async def calls_per_hour(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter, clock: Clock
) -> dict[int, int]:
    """By the hour of the day; without hours that had none."""
    hour = (_local_s(calls.c.created_at, clock) // HOUR_S % 24).label("hour")
    query = sa.select(hour, sa.func.count()).group_by(hour)
    rows = await summed(connection, query, narrowed(organization_uid, wanted), keys=1)
    return {number: count for number, count in rows}  # noqa: C416  # typed


async def booked_per_day(
    connection: AsyncConnection, organization_uid: str, wanted: BookedFilter, clock: Clock
) -> dict[date, Booked]:
    """Without days on which nothing was booked."""
    day = _day(appointments.c.created_at, clock)
    query = sa.select(day, sa.func.count(), REVENUE).where(*conditions(organization_uid, wanted)).group_by(day)
    rows = (await connection.execute(query)).all()
    return {EPOCH + timedelta(days=number): Booked(count, revenue) for number, count, revenue in rows}

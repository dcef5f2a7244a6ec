"""Sums over calls in two parts: those that began more than an hour ago, which hardly change and are remembered, and the
rest, which is asked each time. So it is exact at every moment, and costs what the last hours cost, three at most."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import instants
from voicecore.storage.connections import Author, Reader
from voicecore.storage.memory import OLD, SETTLED, YOUNG
from voicecore.storage.schema import calls

SETTLES = timedelta(hours=1)
STEP = timedelta(hours=1)  # one question serves as long


async def summed(
    connection: AsyncConnection,
    query: sa.Select[*tuple[Any, ...]],
    conditions: list[sa.ColumnElement[bool]],
    keys: int = 0,
    began: sa.ColumnElement[Any] = calls.c.created_at,
) -> list[tuple[Any, ...]]:
    """The rows, where the conditions hold, of a query whose first `keys` columns say what each row is about, and whose
    others can be added (of instants the latest counts): no means, no order. `began`: when a call began, or later."""
    if not isinstance(connection, Reader):
        return [tuple(row) for row in (await connection.execute(query.where(*conditions))).all()]

    def settled(before: datetime) -> sa.Select[*tuple[Any, ...]]:
        return query.where(*conditions, began < before).execution_options(**{SETTLED: True})

    border = _border()
    old = settled(border)
    if not connection.remembers(old) and connection.remembers(earlier := settled(border - STEP)):
        connection.want(old)  # for those who ask later
        border, old = border - STEP, earlier
    young = query.where(began >= border, *conditions)  # of several lower bounds SQLite looks by the first one
    found: dict[tuple[Any, ...], list[Any]] = {}
    for part in (old, young):
        for row in (await connection.execute(part)).all():
            key, figures = tuple(row[:keys]), list(row[keys:])
            known = found.get(key)
            found[key] = figures if known is None else list(map(_plus, known, figures))
    return [(*key, *figures) for key, figures in found.items()]


async def counted(connection: AsyncConnection, conditions: list[sa.ColumnElement[bool]]) -> int:
    """Calls of a list."""
    rows = await summed(connection, sa.select(sa.func.count()).select_from(calls), conditions)
    number: int = rows[0][0]
    return number


def young(created_at: datetime) -> dict[str, bool]:
    """Execution options of a statement that changes nothing of calls that began before these."""
    return {YOUNG: True} if created_at >= instants.now() - SETTLES else {}


def note_old(connection: AsyncConnection, created_at: datetime) -> None:
    """For a statement that could not know it: it changed a call that began then."""
    if isinstance(connection, Author) and not young(created_at):
        connection.touched.add(calls.name + OLD)


def _border() -> datetime:
    at = instants.now() - SETTLES
    return at - timedelta(seconds=at.timestamp() % STEP.total_seconds())


def _plus(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other) if isinstance(one, datetime) else one + other

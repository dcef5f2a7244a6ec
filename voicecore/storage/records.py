"""Structs in, structs out: the few moves that every repository makes. Knows no table by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

S = TypeVar("S", bound=msgspec.Struct)


class Change(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


def plain(value: Any) -> Any:
    """Nested structs and tuples as the plain data that a JSON column takes; instants stay what they are."""
    if isinstance(value, msgspec.Struct | dict | list | tuple):
        return msgspec.to_builtins(value, str_keys=True)
    return value


def _as_stored(value: Any) -> Any:
    """What reading a JSON column gives back for this value: to compare with."""
    if isinstance(value, msgspec.Struct | dict | list | tuple):
        return msgspec.json.decode(msgspec.json.encode(value))
    return value


def columns_of(table: sa.Table, record: msgspec.Struct) -> dict[str, Any]:
    """The members that the table has a column for, without `seq`, which the database gives."""
    members = msgspec.structs.asdict(record)
    return {name: plain(value) for name, value in members.items() if name in table.c and name != "seq"}


def load(kind: type[S], row: sa.Row[Any]) -> S:
    # SQLAlchemy's column names are a kind of str that msgspec does not take for one.
    return msgspec.convert({str(name): value for name, value in row._mapping.items()}, kind)


async def first(connection: AsyncConnection, kind: type[S], query: sa.Select[Any]) -> S | None:
    row = (await connection.execute(query.limit(1))).first()
    return None if row is None else load(kind, row)


async def every(connection: AsyncConnection, kind: type[S], query: sa.Select[Any]) -> list[S]:
    result = await connection.execute(query)
    names = list(map(str, result.keys()))  # not once more for each row
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind) for row in result.all()]


async def count(connection: AsyncConnection, table: sa.FromClause, conditions: list[sa.ColumnElement[bool]]) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(*conditions)
    return (await connection.execute(query)).scalar_one()


async def insert(connection: AsyncConnection, table: sa.Table, record: msgspec.Struct, **derived: Any) -> None:
    """`derived` are columns that only searching needs, such as normalised digits."""
    await connection.execute(sa.insert(table).values(**columns_of(table, record), **derived))


async def put(
    connection: AsyncConnection,
    table: sa.Table,
    key: dict[str, Any],
    values: dict[str, Any],
    *,
    new: dict[str, Any],
    stamp: dict[str, Any] | None = None,
) -> tuple[str, Change]:
    """Make the row under `key` carry `values`. `new` (with its uid) is added when there is none yet, `stamp`
    whenever something is written. Returns the row's uid and what was done."""
    values = {name: _as_stored(value) for name, value in values.items()}
    match = [table.c[name] == value for name, value in key.items()]
    row = (await connection.execute(sa.select(table).where(*match))).first()
    if row is None:
        await connection.execute(sa.insert(table).values(**key, **values, **new, **(stamp or {})))
        return new["uid"], Change.CREATED
    differing = {name: value for name, value in values.items() if row._mapping[name] != value}
    if not differing:
        return row._mapping["uid"], Change.UNCHANGED
    await connection.execute(sa.update(table).where(*match).values(**differing, **(stamp or {})))
    return row._mapping["uid"], Change.UPDATED

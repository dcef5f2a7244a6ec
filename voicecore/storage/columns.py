"""What tables are made of, the same on every database: UTC instants, the columns that many tables share,
and the constraints' names. It knows no table.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime, to the microsecond. SQLite keeps no zone, so it is put back on reading."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime is no instant")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class epoch_s(FunctionElement[int]):  # noqa: N801  # written like a function of SQL
    """Whole unix seconds of an instant, rounded down."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(epoch_s)
def _epoch_s(element: epoch_s, compiler: SQLCompiler, **how: object) -> str:
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **how)})) AS BIGINT)"


@compiles(epoch_s, "sqlite")
def _epoch_s_sqlite(element: epoch_s, compiler: SQLCompiler, **how: object) -> str:
    return f"CAST(STRFTIME('%s', {compiler.process(element.clauses, **how)}) AS INTEGER)"


def text(name: str) -> sa.Column[str]:
    """Of any length, empty where nothing was given: no column of text is NULL."""
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def json(name: str) -> sa.Column[object]:
    """A document, always there."""
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=False)


def flag(name: str) -> sa.Column[bool]:
    """True or false, also where the database has no such type: a constraint of the column's name says so."""
    return sa.Column(name, sa.Boolean(create_constraint=True, name=name), nullable=False)


def ref(name: str, target: str, *, nullable: bool = False, ondelete: str = "CASCADE") -> sa.Column[str]:
    """The `uid` of a row of `target`."""
    return sa.Column(name, sa.String(36), sa.ForeignKey(f"{target}.uid", ondelete=ondelete), nullable=nullable)


def owner() -> sa.Column[str]:
    """The organization whose row this is."""
    return ref("organization_uid", "organizations")


def external() -> sa.Column[str]:
    """The client's own id, unique within its organization at most."""
    return sa.Column("external_id", sa.String(100), nullable=False)


def created() -> sa.Column[object]:
    """When the row was made."""
    return sa.Column("created_at", Instant(), nullable=False)


def table(name: str, *rest: sa.schema.SchemaItem) -> sa.Table:
    """A table whose rows have a `seq` and a `uid`."""
    return sa.Table(
        name,
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        *rest,
        sqlite_autoincrement=True,  # a number is never given twice
    )

"""Every table, with its constraints. The migrations make the same; a test compares the two.

Rows have a uuid `uid`, by which they refer to each other, and an integer `seq`, for clients that count.
Ids of clients (`external_id`) are unique within their organization only.
"""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)
TEXT = sa.Text()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False, server_default="")


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=False)


def _speculation() -> sa.Column[object]:
    return sa.Column("speculation", sa.JSON(none_as_null=True), nullable=False, server_default="{}")


def _ref(name: str, target: str, *, nullable: bool = False, ondelete: str = "CASCADE") -> sa.Column[str]:
    return sa.Column(name, sa.String(36), sa.ForeignKey(f"{target}.uid", ondelete=ondelete), nullable=nullable)


def _owner() -> sa.Column[str]:
    return _ref("organization_uid", "organizations")


def _external() -> sa.Column[str]:
    return sa.Column("external_id", sa.String(100), nullable=False)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", Instant(), nullable=False)


def _table(name: str, *rest: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        *rest,
        sqlite_autoincrement=True,  # a number is never given twice
    )


organizations = _table(
    "organizations",
    sa.Column("external_id", sa.String(100), nullable=False, unique=True),
    _text("name"),
    _text("contact_email"),
    _text("phone"),
    _json("address"),
    _json("settings"),
    _text("timezone"),
    _created(),
)
businesses = _table(
    "businesses",
    _owner(),
    _external(),
    _text("name"),
    _text("timezone"),
    _text("phone"),
    _text("address"),
    _created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
users = _table(
    "users",
    sa.Column("email", sa.String(320), nullable=False, unique=True),
    _text("name"),
    _text("password_hash"),
    sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
    _created(),
)
memberships = _table(
    "memberships",
    _ref("user_uid", "users"),
    _owner(),
    _json("roles"),
    _created(),
    sa.UniqueConstraint("user_uid", "organization_uid"),
)
sessions = _table(
    "sessions",
    _ref("user_uid", "users"),
    _owner(),
    sa.Column("surface", sa.String(20), nullable=False),
    _created(),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("revoked_at", Instant()),
    sa.Index(None, "user_uid"),
)
agents = _table(
    "agents",
    _owner(),
    _ref("business_uid", "businesses"),
    _external(),
    sa.Column("version", sa.Integer, nullable=False),
    _created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
agent_versions = _table(
    "agent_versions",
    _ref("agent_uid", "agents"),
    sa.Column("version", sa.Integer, sa.CheckConstraint("version > 0", name="positive"), nullable=False),
    _text("name"),
    _text("description"),
    sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
    _json("config"),
    _created(),
    sa.UniqueConstraint("agent_uid", "version"),
)
phone_numbers = _table(
    "phone_numbers",
    _owner(),
    _text("number"),
    sa.Column("digits", sa.String(40), nullable=False, unique=True),  # one number rings in one place
    _text("label"),
    _ref("agent_uid", "agents"),
    _created(),
)
customers = _table(
    "customers",
    _owner(),
    _external(),
    _text("name"),
    _text("phone"),
    _text("phone_digits"),
    _text("phone_tail"),
    _text("email"),
    _json("tags"),
    _json("custom_fields"),
    _text("notes"),
    _created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index(None, "organization_uid", "phone_tail"),
)
calls = _table(
    "calls",
    _owner(),
    _external(),
    _text("sid"),
    sa.Column("direction", sa.String(10), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    _text("from_number"),
    _text("to_number"),
    _text("from_digits"),
    _text("to_digits"),
    _ref("agent_uid", "agents", nullable=True, ondelete="SET NULL"),
    _text("agent_id"),
    sa.Column("agent_version", sa.Integer, nullable=False),
    _text("transport"),
    _text("node"),
    sa.Column("end_reason", sa.String(32)),
    sa.Column("outcome", sa.String(10)),
    _json("metadata"),
    _json("media_health"),
    _json("stages"),
    _speculation(),
    _created(),
    sa.Column("answered_at", Instant()),
    sa.Column("ended_at", Instant()),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index(None, "organization_uid", "created_at"),
    sa.Index(None, "organization_uid", "agent_id", "created_at"),
    sa.Index(None, "status"),
    sa.Index(None, "sid"),
    sa.CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name="ended"),
    sa.CheckConstraint("status <> 'ended' OR (outcome IS NOT NULL AND end_reason IS NOT NULL)", name="outcome"),
)
turns = _table(
    "turns",
    _ref("call_uid", "calls"),
    _ref("agent_uid", "agents", nullable=True, ondelete="SET NULL"),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("started_ms", sa.Float, nullable=False),
    sa.Column("ended_ms", sa.Float, nullable=False),
    _text("caller_text"),
    _text("generated_text"),
    _text("heard_text"),
    sa.Column("interrupted", sa.Boolean(create_constraint=True, name="interrupted"), nullable=False),
    _json("marks"),
    sa.Column("caller_started_ms", sa.Float),
    sa.Column("caller_ended_ms", sa.Float),
    sa.Column("agent_started_ms", sa.Float),
    sa.Column("agent_ended_ms", sa.Float),
    sa.Column("response_latency_ms", sa.Float),
    _json("tools"),
    _speculation(),
    sa.UniqueConstraint("call_uid", "index"),
)
call_events = sa.Table(  # many and never referred to: no uid
    "call_events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    _ref("call_uid", "calls"),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("at_ms", sa.Float, nullable=False),
    sa.Column("turn", sa.Integer),
    _json("data"),
    sa.Index(None, "call_uid", "at_ms"),
)
recordings = _table(
    "recordings",
    _owner(),
    sa.Column("call_uid", sa.String(36), sa.ForeignKey("calls.uid", ondelete="CASCADE"), nullable=False, unique=True),
    _external(),
    _text("path"),
    _text("format"),
    sa.Column("rate_hz", sa.Integer, nullable=False),
    sa.Column("duration_ms", sa.Float, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("peaks", sa.JSON(none_as_null=True)),
    _created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
services = _table(
    "services",
    _owner(),
    _ref("business_uid", "businesses"),
    _external(),
    _text("name"),
    sa.Column("minutes", sa.Integer, sa.CheckConstraint("minutes > 0", name="positive"), nullable=False),
    sa.Column("price", sa.Float),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.UniqueConstraint("business_uid", "name"),
)
resources = _table(
    "resources",
    _owner(),
    _ref("business_uid", "businesses"),
    _external(),
    _text("name"),
    sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
opening_hours = _table(
    "opening_hours",
    _owner(),
    _ref("business_uid", "businesses"),
    sa.Column("weekday", sa.Integer, sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"), nullable=False),
    sa.Column("opens", sa.Integer, nullable=False),
    sa.Column("closes", sa.Integer, nullable=False),
    sa.CheckConstraint("0 <= opens AND opens < closes AND closes <= 1440", name="order"),
    sa.UniqueConstraint("business_uid", "weekday", "opens"),
)
appointments = _table(  # that no resource is booked twice is a rule of the database: see engines.py
    "appointments",
    _owner(),
    _ref("business_uid", "businesses"),
    _external(),
    _ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
    _text("customer_name"),
    _text("customer_phone"),
    _text("phone_tail"),
    _ref("resource_uid", "resources"),
    _text("service"),
    sa.Column("starts_at", Instant(), nullable=False),
    sa.Column("ends_at", Instant(), nullable=False),
    sa.Column("status", sa.String(12), nullable=False),
    _text("notes"),
    _text("source"),
    _ref("call_uid", "calls", nullable=True, ondelete="SET NULL"),
    _created(),
    sa.CheckConstraint("starts_at < ends_at", name="order"),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index(None, "organization_uid", "starts_at"),
    sa.Index(None, "resource_uid", "starts_at"),
    sa.Index(None, "call_uid"),
)
callback_requests = _table(
    "callback_requests",
    _owner(),
    _ref("business_uid", "businesses"),
    _external(),
    _ref("call_uid", "calls", nullable=True, ondelete="SET NULL"),
    _ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
    _text("customer_name"),
    _text("customer_phone"),
    _text("reason"),
    _created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
knowledge_articles = _table(
    "knowledge_articles",
    _owner(),
    _ref("business_uid", "businesses", nullable=True),
    _external(),
    _text("title"),
    _text("content"),
    _text("category"),
    _json("tags"),
    _json("questions"),
    sa.Column("valid_from", Instant()),
    sa.Column("valid_until", Instant()),
    _created(),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.UniqueConstraint("organization_uid", "external_id"),
)

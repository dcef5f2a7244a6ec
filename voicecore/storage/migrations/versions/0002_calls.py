"""Customers and calls with their turns, events and recordings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.forwards import downgrade as downgrade

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("phone", sa.Text, server_default="", nullable=False),
        sa.Column("phone_digits", sa.Text, server_default="", nullable=False),
        sa.Column("phone_tail", sa.Text, server_default="", nullable=False),
        sa.Column("email", sa.Text, server_default="", nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("custom_fields", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("notes", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_customers_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_customers")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_customers_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_customers_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_customers_organization_uid_phone_tail"),
        "customers",
        ["organization_uid", "phone_tail"],
        unique=False,
    )
    op.create_table(
        "calls",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("sid", sa.Text, server_default="", nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("from_number", sa.Text, server_default="", nullable=False),
        sa.Column("to_number", sa.Text, server_default="", nullable=False),
        sa.Column("from_digits", sa.Text, server_default="", nullable=False),
        sa.Column("to_digits", sa.Text, server_default="", nullable=False),
        sa.Column("agent_uid", sa.String(length=36), nullable=True),
        sa.Column("agent_id", sa.Text, server_default="", nullable=False),
        sa.Column("agent_version", sa.Integer, nullable=False),
        sa.Column("transport", sa.Text, server_default="", nullable=False),
        sa.Column("node", sa.Text, server_default="", nullable=False),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("media_health", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("stages", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_calls_ended")),
        sa.CheckConstraint(
            "status <> 'ended' OR (outcome IS NOT NULL AND end_reason IS NOT NULL)",
            name=op.f("ck_calls_outcome"),
        ),
        sa.ForeignKeyConstraint(["agent_uid"], ["agents.uid"], name=op.f("fk_calls_agent_uid"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_calls_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_calls")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_calls_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_calls_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_calls_organization_uid_agent_id_created_at"),
        "calls",
        ["organization_uid", "agent_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_calls_organization_uid_created_at"),
        "calls",
        ["organization_uid", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_calls_sid"), "calls", ["sid"], unique=False)
    op.create_index(op.f("ix_calls_status"), "calls", ["status"], unique=False)
    op.create_table(
        "call_events",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("call_uid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at_ms", sa.Float, nullable=False),
        sa.Column("turn", sa.Integer, nullable=True),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["call_uid"], ["calls.uid"], name=op.f("fk_call_events_call_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_call_events")),
    )
    op.create_index(op.f("ix_call_events_call_uid_at_ms"), "call_events", ["call_uid", "at_ms"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("call_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("path", sa.Text, server_default="", nullable=False),
        sa.Column("format", sa.Text, server_default="", nullable=False),
        sa.Column("rate_hz", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.Float, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("peaks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["call_uid"], ["calls.uid"], name=op.f("fk_recordings_call_uid"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_recordings_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_recordings")),
        sa.UniqueConstraint("call_uid", name=op.f("uq_recordings_call_uid")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_recordings_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_recordings_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "turns",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("call_uid", sa.String(length=36), nullable=False),
        sa.Column("agent_uid", sa.String(length=36), nullable=True),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("started_ms", sa.Float, nullable=False),
        sa.Column("ended_ms", sa.Float, nullable=False),
        sa.Column("caller_text", sa.Text, server_default="", nullable=False),
        sa.Column("generated_text", sa.Text, server_default="", nullable=False),
        sa.Column("heard_text", sa.Text, server_default="", nullable=False),
        sa.Column("interrupted", sa.Boolean(create_constraint=True, name="interrupted"), nullable=False),
        sa.Column("marks", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("caller_started_ms", sa.Float, nullable=True),
        sa.Column("caller_ended_ms", sa.Float, nullable=True),
        sa.Column("agent_started_ms", sa.Float, nullable=True),
        sa.Column("agent_ended_ms", sa.Float, nullable=True),
        sa.Column("response_latency_ms", sa.Float, nullable=True),
        sa.Column("tools", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_uid"], ["agents.uid"], name=op.f("fk_turns_agent_uid"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["call_uid"], ["calls.uid"], name=op.f("fk_turns_call_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_turns")),
        sa.UniqueConstraint("call_uid", "index", name=op.f("uq_turns_call_uid_index")),
        sa.UniqueConstraint("uid", name=op.f("uq_turns_uid")),
        sqlite_autoincrement=True,
    )

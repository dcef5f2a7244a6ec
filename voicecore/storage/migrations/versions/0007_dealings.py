"""Interactions, text conversations, audio files, privacy requests, webhooks and their outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant, created, external, flag, json, owner, ref, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _table(name: str, *rest: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        owner(),
        external(),
        *rest,
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    _table(
        "interactions",
        ref("customer_uid", "customers"),
        text("kind"),
        text("channel"),
        sa.Column("duration_s", sa.Float, nullable=False),
        text("outcome"),
        text("notes"),
        json("metadata"),
        created(),
        sa.UniqueConstraint("organization_uid", "external_id"),
    )
    op.create_index("ix_interactions_customer_uid_created_at", "interactions", ["customer_uid", "created_at"])
    _table(
        "conversations",
        ref("agent_uid", "agents"),
        text("channel"),
        text("phone"),
        text("phone_tail"),
        ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
        text("last_topic"),
        json("metadata"),
        json("messages"),
        created(),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.UniqueConstraint("organization_uid", "external_id"),
    )
    op.create_index("ix_conversations_organization_uid_phone_tail", "conversations", ["organization_uid", "phone_tail"])
    _table(
        "audio_files",
        ref("conversation_uid", "conversations", nullable=True),
        text("format"),
        sa.Column("duration_s", sa.Float, nullable=False),
        created(),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.UniqueConstraint("external_id"),
    )
    op.create_index("ix_audio_files_expires_at", "audio_files", ["expires_at"])
    _table(
        "privacy_requests",
        ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        json("options"),
        created(),
        sa.Column("finished_at", Instant()),
        sa.Column("expires_at", Instant()),
        sa.UniqueConstraint("external_id"),
    )
    op.create_index("ix_privacy_requests_state", "privacy_requests", ["state"])
    _webhooks()


def _webhooks() -> None:
    _table(
        "webhook_subscriptions",
        sa.Column("surface", sa.String(20), nullable=False),
        text("url"),
        json("events"),
        text("sealed_secret"),
        flag("active"),
        created(),
        sa.UniqueConstraint("organization_uid", "external_id"),
    )
    _table(
        "webhook_deliveries",
        ref("subscription_uid", "webhook_subscriptions"),
        text("event"),
        text("subject"),
        json("data"),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", Instant()),
        sa.Column("last_status", sa.Integer),
        text("last_error"),
        created(),
        sa.UniqueConstraint("organization_uid", "external_id"),
        sa.CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="pending"),
    )
    op.create_index("ix_webhook_deliveries_next_at", "webhook_deliveries", ["next_at"])

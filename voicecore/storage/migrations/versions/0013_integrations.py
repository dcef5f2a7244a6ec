"""Connections to CRMs, users on their way there, and what is sent of calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant, created, external, flag, owner, ref, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _table(name: str, *rest: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        owner(),
        *rest,
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    _table(
        "authorization_requests",
        ref("user_uid", "users"),
        sa.Column("kind", sa.String(20), nullable=False),
        text("redirect_uri"),
        text("instance_url"),
        created(),
        sa.Column("expires_at", Instant(), nullable=False),
    )
    op.create_index("ix_authorization_requests_expires_at", "authorization_requests", ["expires_at"])
    _table(
        "integrations",
        sa.Column("kind", sa.String(20), nullable=False),
        text("instance_url"),
        text("email"),
        text("sealed_tokens"),
        sa.Column("expires_at", Instant()),
        sa.Column("renewing_until", Instant()),
        sa.Column("connected_at", Instant()),
        text("trouble"),
        created(),
        sa.UniqueConstraint("organization_uid", "kind"),
        sa.CheckConstraint("(connected_at IS NULL) = (sealed_tokens = '')", name="tokens"),
    )
    _table(
        "sync_logs",
        external(),
        ref("integration_uid", "integrations"),
        ref("call_uid", "calls"),
        text("phone_number"),
        text("record_id"),
        text("record_kind"),
        flag("created_new"),
        text("activity_id"),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", Instant()),
        text("last_error"),
        created(),
        sa.UniqueConstraint("organization_uid", "external_id"),
        sa.UniqueConstraint("integration_uid", "call_uid"),
        sa.CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="pending"),
    )
    op.create_index("ix_sync_logs_call_uid", "sync_logs", ["call_uid"])
    op.create_index("ix_sync_logs_next_at", "sync_logs", ["next_at"])

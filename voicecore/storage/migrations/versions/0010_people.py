"""Second factors, recovery codes, the trail of changes; what a member was given, and where sessions are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant, created, json, owner, ref, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _table(name: str, *rest: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        *rest,
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    _members_and_sessions()
    _table(
        "second_factors",
        ref("user_uid", "users"),
        text("sealed_secret"),
        sa.Column("verified_at", Instant()),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        created(),
    )
    op.create_index("ix_second_factors_user_uid", "second_factors", ["user_uid"])
    _table(
        "recovery_codes",
        ref("factor_uid", "second_factors"),
        text("code_hash"),
        sa.Column("used_at", Instant()),
        created(),
    )
    op.create_index("ix_recovery_codes_factor_uid", "recovery_codes", ["factor_uid"])
    _table(
        "audit_entries",
        owner(),
        ref("user_uid", "users", nullable=True, ondelete="SET NULL"),
        sa.Column("surface", sa.String(20), nullable=False),
        text("action"),
        text("model_type"),
        text("model_id"),
        sa.Column("risk_level", sa.String(6), nullable=False),
        text("ip"),
        text("user_agent"),
        json("changes"),
        created(),
    )
    op.create_index("ix_audit_entries_organization_uid_created_at", "audit_entries", ["organization_uid", "created_at"])
    op.create_index("ix_audit_entries_user_uid", "audit_entries", ["user_uid"])


def _members_and_sessions() -> None:
    for column in (
        sa.Column("permissions", sa.JSON(none_as_null=True)),
        sa.Column("branch_ids", sa.JSON(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("state", sa.String(10), server_default="active", nullable=False),
        sa.Column("invitation_hash", sa.String(64)),
        sa.Column("invited_until", Instant()),
    ):
        op.add_column("memberships", column)
    op.add_column("sessions", sa.Column("ip", sa.Text, server_default="", nullable=False))
    op.add_column("sessions", sa.Column("user_agent", sa.Text, server_default="", nullable=False))
    op.add_column("sessions", sa.Column("seen_at", Instant()))

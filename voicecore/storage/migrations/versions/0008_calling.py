"""Calls that we make: when they are dialled and how far they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant, created, owner, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dials",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        owner(),
        sa.Column(
            "call_uid", sa.String(36), sa.ForeignKey("calls.uid", ondelete="CASCADE"), nullable=False, unique=True
        ),
        text("dialled_number"),
        text("caller_number"),
        sa.Column("scheduled_at", Instant(), nullable=False),
        sa.Column("next_at", Instant()),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("dialled_at", Instant()),
        sa.Column("reached_at", Instant()),
        created(),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dials_next_at", "dials", ["next_at"])

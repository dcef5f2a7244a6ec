"""The table of calls that we make. `schema.py` makes it part of the whole."""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, owner, table, text

dials = table(
    "dials",
    owner(),
    sa.Column("call_uid", sa.String(36), sa.ForeignKey("calls.uid", ondelete="CASCADE"), nullable=False, unique=True),
    text("dialled_number"),
    text("caller_number"),
    sa.Column("scheduled_at", Instant(), nullable=False),
    sa.Column("next_at", Instant()),  # NULL: nothing is left to do
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("dialled_at", Instant()),
    sa.Column("reached_at", Instant()),
    created(),
    sa.Index(None, "next_at"),
)

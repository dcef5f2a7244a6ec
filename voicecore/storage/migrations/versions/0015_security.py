"""How long an organization keeps what was said, and which calls have been forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.forwards import downgrade as downgrade

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
SUMMED = [
    *("organization_uid", "status", "created_at", "business_uid", "outcome", "success"),
    *("duration_s", "sentiment", "stt_ms", "llm_ms", "tts_ms"),
    *("direction", "end_reason", "agent_uid", "agent_id", "uid"),
]


def upgrade() -> None:
    op.add_column("organizations", sa.Column("retention_days", sa.Integer))
    op.add_column("calls", sa.Column("blanked_at", Instant()))
    for name, condition in (("ix_calls_not_blanked", "blanked_at IS NULL"), ("ix_calls_running", "ended_at IS NULL")):
        where = sa.text(condition)
        columns = ["organization_uid", "created_at"]
        op.create_index(name, "calls", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_calls_organization_uid_ended_at", "calls", ["organization_uid", "ended_at"])
    op.drop_index("ix_calls_sums", "calls")
    op.create_index("ix_calls_sums", "calls", SUMMED)

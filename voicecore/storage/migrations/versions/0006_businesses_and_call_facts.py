"""What a business does and when it closed; whose line a call was on, how it went, and what others wrote about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.forwards import downgrade as downgrade

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXTS = ("party_name", "transcript", "notes", "recording_url")
MEANS = ("stt", "llm", "tts")
INDEXES = {
    "ix_calls_organization_uid_business_uid_status_created_at": [
        *("organization_uid", "business_uid", "status", "created_at"),
    ],
    "ix_calls_sums": [
        *("organization_uid", "status", "created_at", "business_uid", "outcome", "success"),
        *("duration_s", "sentiment", "stt_ms", "llm_ms", "tts_ms"),
    ],
}
BATCH = 500


def upgrade() -> None:
    for name in ("profession", "voice_name"):
        op.add_column("businesses", sa.Column(name, sa.Text, server_default="", nullable=False))
    op.add_column("businesses", sa.Column("closed_at", Instant(), nullable=True))
    op.add_column("calls", sa.Column("business_uid", sa.String(length=36), nullable=True))
    for name in TEXTS:
        op.add_column("calls", sa.Column(name, sa.Text, server_default="", nullable=False))
    op.add_column("calls", sa.Column("sentiment", sa.String(length=10), nullable=True))
    op.add_column("calls", sa.Column("success", sa.Boolean, nullable=True))
    op.add_column("calls", sa.Column("duration_s", sa.Float, server_default="0", nullable=False))
    for name in MEANS:
        op.add_column("calls", sa.Column(f"{name}_ms", sa.Float, nullable=True))
    for name, columns in INDEXES.items():
        op.create_index(name, "calls", columns, unique=False)
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """The new facts of calls that are there already. The means of old calls are the medians of their stages."""
    connection.exec_driver_sql(
        "UPDATE calls SET business_uid = (SELECT business_uid FROM agents WHERE agents.uid = calls.agent_uid)"
    )
    calls = sa.table(
        "calls",
        sa.column("uid", sa.String),
        sa.column("answered_at", Instant()),
        sa.column("ended_at", Instant()),
        sa.column("stages", sa.JSON),
        sa.column("duration_s", sa.Float),
        *(sa.column(f"{name}_ms", sa.Float) for name in MEANS),
    )
    query = sa.select(calls.c.uid, calls.c.answered_at, calls.c.ended_at, calls.c.stages).where(
        calls.c.answered_at.is_not(None), calls.c.ended_at.is_not(None)
    )
    changes = [
        {
            "row": uid,
            "duration_s": max(0.0, (ended_at - answered_at).total_seconds()),
            **{f"{name}_ms": stages.get(name, {}).get("p50") for name in MEANS},
        }
        for uid, answered_at, ended_at, stages in connection.execute(query)
    ]
    statement = sa.update(calls).where(calls.c.uid == sa.bindparam("row"))
    for first in range(0, len(changes), BATCH):
        connection.execute(statement, changes[first : first + BATCH])

"""What is made of calls afterwards: analyses, keywords, and how many calls ran at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant, created, json, owner, ref, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_analyses",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        owner(),
        sa.Column("call_uid", sa.String(36), sa.ForeignKey("calls.uid", ondelete="CASCADE"), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        text("trouble"),
        sa.Column("language", sa.String(10), nullable=False),
        text("summary"),
        json("action_items"),
        json("topics"),
        sa.Column("intent", sa.String(60), nullable=False),
        sa.Column("sentiment", sa.String(10), nullable=False),
        sa.Column("sentiment_score", sa.Float, nullable=False),
        sa.Column("quality_score", sa.Integer, nullable=False),
        sa.Column("talk_time_ratio", sa.Float),
        json("structured_outputs"),
        created(),
        sa.UniqueConstraint("call_uid"),
        sa.CheckConstraint("sentiment_score BETWEEN -1 AND 1", name="score"),
        sa.CheckConstraint("quality_score BETWEEN 1 AND 5", name="quality"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "call_keywords",
        sa.Column("seq", sa.Integer, primary_key=True),
        owner(),
        ref("call_uid", "calls"),
        sa.Column("keyword", sa.String(80), nullable=False),
        sa.Column("sentiment", sa.String(10), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("detected_at", Instant(), nullable=False),
        sa.UniqueConstraint("call_uid", "keyword"),
    )
    counted = ["organization_uid", "detected_at", "keyword", "sentiment", "score"]
    op.create_index("ix_call_keywords_counted", "call_keywords", counted)
    op.create_table(
        "concurrency_samples",
        sa.Column("seq", sa.Integer, primary_key=True),
        owner(),
        sa.Column("grain", sa.String(6), nullable=False),
        sa.Column("begins_at", Instant(), nullable=False),
        sa.Column("peak", sa.Integer, nullable=False),
        sa.UniqueConstraint("organization_uid", "grain", "begins_at"),
        sa.CheckConstraint("peak > 0", name="somebody"),
    )
    op.create_index("ix_concurrency_samples_grain_begins_at", "concurrency_samples", ["grain", "begins_at"])
    _calls()


def _calls() -> None:
    """Calls that are over already are analysed, too."""
    op.add_column("calls", sa.Column("analysis_due_at", Instant(), nullable=True))
    op.create_index(
        "ix_calls_analysis_due",
        "calls",
        ["analysis_due_at"],
        sqlite_where=sa.text("analysis_due_at IS NOT NULL"),
        postgresql_where=sa.text("analysis_due_at IS NOT NULL"),
    )
    op.create_index("ix_calls_ended_at", "calls", ["ended_at"])
    op.execute(sa.text("UPDATE calls SET analysis_due_at = ended_at WHERE status = 'ended'"))

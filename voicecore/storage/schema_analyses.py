"""Tables of what is made of calls afterwards: analyses, their keywords, and how many calls ran at once.
`schema.py` has all tables.
"""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, json, metadata, owner, ref, table, text

call_analyses = table(
    "call_analyses",
    owner(),
    sa.Column("call_uid", sa.String(36), sa.ForeignKey("calls.uid", ondelete="CASCADE"), nullable=False, unique=True),
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
    sa.CheckConstraint("sentiment_score BETWEEN -1 AND 1", name="score"),
    sa.CheckConstraint("quality_score BETWEEN 1 AND 5", name="quality"),
)
call_keywords = sa.Table(  # many and never referred to: no uid
    "call_keywords",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    owner(),
    ref("call_uid", "calls"),
    sa.Column("keyword", sa.String(80), nullable=False),
    sa.Column("sentiment", sa.String(10), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("detected_at", Instant(), nullable=False),  # when the call ended
    sa.UniqueConstraint("call_uid", "keyword"),
    sa.Index("ix_call_keywords_counted", "organization_uid", "detected_at", "keyword", "sentiment", "score"),
)
concurrency_samples = sa.Table(  # the most calls at once within a minute, an hour or a day; none: nobody called
    "concurrency_samples",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    owner(),
    sa.Column("grain", sa.String(6), nullable=False),
    sa.Column("begins_at", Instant(), nullable=False),
    sa.Column("peak", sa.Integer, nullable=False),
    sa.UniqueConstraint("organization_uid", "grain", "begins_at"),
    sa.Index(None, "grain", "begins_at"),
    sa.CheckConstraint("peak > 0", name="somebody"),
)

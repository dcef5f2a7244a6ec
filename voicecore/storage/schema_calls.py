"""The tables of calls and of what hangs on them. `schema.py` has all tables."""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, external, flag, json, metadata, owner, ref, table, text


def _sums(name: str) -> sa.Column[object]:
    """A document that is empty until something happened."""
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=False, server_default="{}")


def _cost() -> sa.Column[int | None]:
    """Millionths of a US dollar; NULL: not known, or not yet."""
    return sa.Column("cost_microusd", sa.BigInteger)


# Lists are counted and sums made from this index alone, without a look at the rows.
SUMMED = (
    *("organization_uid", "status", "created_at", "business_uid", "outcome", "success"),
    *("duration_s", "sentiment", "stt_ms", "llm_ms", "tts_ms"),
    *("direction", "end_reason", "agent_uid", "agent_id", "uid"),
)
# Lists are sorted, narrowed and searched in this one.
LISTED = (
    *("organization_uid", "created_at", "seq", "status", "outcome", "business_uid", "customer_uid", "duration_s"),
    *("party_key", "from_digits", "to_digits"),
)
calls = table(
    "calls",
    owner(),
    external(),
    text("sid"),
    sa.Column("direction", sa.String(10), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    text("from_number"),
    text("to_number"),
    text("from_digits"),
    text("to_digits"),
    text("from_tail"),
    text("to_tail"),
    ref("agent_uid", "agents", nullable=True, ondelete="SET NULL"),
    text("agent_id"),
    sa.Column("agent_version", sa.Integer, nullable=False),
    # Without a foreign key, which SQLite adds to a table only by making it anew: that would delete what refers to it.
    # Businesses close and are not deleted.
    sa.Column("business_uid", sa.String(36)),
    sa.Column("customer_uid", sa.String(36)),  # the other party, where he is known; without a foreign key as well
    text("transport"),
    text("node"),
    sa.Column("end_reason", sa.String(32)),
    sa.Column("outcome", sa.String(10)),
    text("party_name"),
    text("party_key"),  # of the name that the customer has now, else of the one that was given
    text("transcript"),
    text("notes"),
    text("recording_url"),
    sa.Column("sentiment", sa.String(10)),
    sa.Column("success", sa.Boolean),
    sa.Column("duration_s", sa.Float, nullable=False, server_default="0"),
    sa.Column("stt_ms", sa.Float),
    sa.Column("llm_ms", sa.Float),
    sa.Column("tts_ms", sa.Float),
    json("metadata"),
    json("media_health"),
    json("stages"),
    _sums("speculation"),
    _sums("usage"),
    _cost(),
    created(),
    sa.Column("answered_at", Instant()),
    sa.Column("ended_at", Instant()),
    sa.Column("blanked_at", Instant()),  # since then nothing of its persons is left
    sa.Column("analysis_due_at", Instant()),  # NULL: it runs, or its analysis is made
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index(
        "ix_calls_analysis_due",
        "analysis_due_at",
        sqlite_where=sa.text("analysis_due_at IS NOT NULL"),
        postgresql_where=sa.text("analysis_due_at IS NOT NULL"),
    ),
    sa.Index(None, "ended_at"),
    sa.Index(None, "organization_uid", "ended_at"),
    sa.Index(  # the few that run now
        "ix_calls_running",
        "organization_uid",
        "created_at",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    sa.Index("ix_calls_listed", *LISTED),
    sa.Index("ix_calls_by_name", "organization_uid", "party_key", "seq", "status", "outcome"),
    sa.Index(None, "organization_uid", "from_tail"),
    sa.Index(None, "organization_uid", "to_tail"),
    sa.Index(None, "organization_uid", "customer_uid", "created_at"),
    sa.Index(None, "organization_uid", "agent_id", "created_at"),
    sa.Index(None, "organization_uid", "business_uid", "status", "created_at"),
    sa.Index("ix_calls_sums", *SUMMED),
    sa.Index(
        "ix_calls_not_blanked",
        "organization_uid",
        "created_at",
        sqlite_where=sa.text("blanked_at IS NULL"),
        postgresql_where=sa.text("blanked_at IS NULL"),
    ),
    sa.Index(None, "status"),
    sa.Index(None, "sid"),
    sa.CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name="ended"),
    sa.CheckConstraint("status <> 'ended' OR (outcome IS NOT NULL AND end_reason IS NOT NULL)", name="outcome"),
)
turns = table(
    "turns",
    ref("call_uid", "calls"),
    ref("agent_uid", "agents", nullable=True, ondelete="SET NULL"),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("started_ms", sa.Float, nullable=False),
    sa.Column("ended_ms", sa.Float, nullable=False),
    text("caller_text"),
    text("generated_text"),
    text("heard_text"),
    flag("interrupted"),
    json("marks"),
    sa.Column("caller_started_ms", sa.Float),
    sa.Column("caller_ended_ms", sa.Float),
    sa.Column("agent_started_ms", sa.Float),
    sa.Column("agent_ended_ms", sa.Float),
    sa.Column("response_latency_ms", sa.Float),
    json("tools"),
    _sums("speculation"),
    _sums("usage"),
    _cost(),
    sa.UniqueConstraint("call_uid", "index"),
)
call_events = sa.Table(  # many and never referred to: no uid
    "call_events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    ref("call_uid", "calls"),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("at_ms", sa.Float, nullable=False),
    sa.Column("turn", sa.Integer),
    json("data"),
    sa.Index(None, "call_uid", "at_ms"),
)
recordings = table(
    "recordings",
    owner(),
    sa.Column("call_uid", sa.String(36), sa.ForeignKey("calls.uid", ondelete="CASCADE"), nullable=False, unique=True),
    external(),
    text("path"),
    text("format"),
    sa.Column("rate_hz", sa.Integer, nullable=False),
    sa.Column("duration_ms", sa.Float, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("peaks", sa.JSON(none_as_null=True)),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)

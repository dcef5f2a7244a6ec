"""Tables of dealings with customers and with the outside: interactions, text conversations, audio files, privacy
requests, webhooks and what is to be delivered to them. `schema.py` has the rest, and makes these part of the whole.
"""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, external, flag, json, owner, ref, table, text

interactions = table(
    "interactions",
    owner(),
    external(),
    ref("customer_uid", "customers"),
    text("kind"),
    text("channel"),
    sa.Column("duration_s", sa.Float, nullable=False),
    text("outcome"),
    text("notes"),
    json("metadata"),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index(None, "customer_uid", "created_at"),
)
conversations = table(
    "conversations",
    owner(),
    external(),
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
    sa.Index(None, "organization_uid", "phone_tail"),
)
audio_files = table(
    "audio_files",
    owner(),
    external(),
    ref("conversation_uid", "conversations", nullable=True),
    text("format"),
    sa.Column("duration_s", sa.Float, nullable=False),
    created(),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.UniqueConstraint("external_id"),
    sa.Index(None, "expires_at"),
)
privacy_requests = table(
    "privacy_requests",
    owner(),
    external(),
    ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    json("options"),
    created(),
    sa.Column("finished_at", Instant()),
    sa.Column("expires_at", Instant()),
    sa.UniqueConstraint("external_id"),
    sa.Index(None, "state"),
)
webhook_subscriptions = table(
    "webhook_subscriptions",
    owner(),
    external(),
    sa.Column("surface", sa.String(20), nullable=False),
    text("name"),
    text("url"),
    json("events"),
    text("sealed_secret"),
    flag("active"),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
webhook_deliveries = table(  # the outbox: written with the fact it announces
    "webhook_deliveries",
    owner(),
    external(),
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
    sa.Index(None, "next_at"),
    sa.CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="pending"),
)

"""Tables of connections to CRMs: users on their way there, connections, and what is sent of calls."""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, external, flag, owner, ref, table, text

authorization_requests = table(
    "authorization_requests",
    owner(),
    ref("user_uid", "users"),
    sa.Column("kind", sa.String(20), nullable=False),
    text("redirect_uri"),
    text("instance_url"),
    created(),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Index(None, "expires_at"),
)
integrations = table(
    "integrations",
    owner(),
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
sync_logs = table(  # also the outbox: written with the end of the call
    "sync_logs",
    owner(),
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
    sa.Index(None, "call_uid"),
    sa.Index(None, "next_at"),
    sa.CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="pending"),
)

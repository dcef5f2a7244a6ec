"""Tables of what only workspaces have: who works where, what is selected there, features that are switched, and what
others post to us. `schema.py` has all tables.
"""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import created, flag, owner, ref, table, text

workspace_choices = table(  # where a user works; none: where his session began
    "workspace_choices",
    ref("user_uid", "users"),
    owner(),
    sa.UniqueConstraint("user_uid"),
)
workspace_settings = table(
    "workspace_settings",
    owner(),
    text("assistant"),
    text("phone"),
    text("org"),
    text("model_secret"),  # the name under which the workspace's key to language models is kept
    sa.UniqueConstraint("organization_uid"),
)
addons = table(  # none: as `Addon` says
    "addons",
    owner(),
    sa.Column("kind", sa.String(40), nullable=False),
    flag("enabled"),
    sa.UniqueConstraint("organization_uid", "kind"),
)
inbound_webhooks = table(
    "inbound_webhooks",
    owner(),
    text("name"),
    sa.Column("token", sa.String(100), nullable=False, unique=True),
    text("sealed_secret"),
    created(),
    sa.Index(None, "organization_uid"),
)
inbound_events = table(
    "inbound_events",
    owner(),
    ref("webhook_uid", "inbound_webhooks"),
    text("content_type"),
    text("body"),
    flag("signed"),
    created(),
    sa.Index(None, "webhook_uid", "seq"),
)

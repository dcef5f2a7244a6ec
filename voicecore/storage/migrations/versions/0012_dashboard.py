"""Workspaces: where users work, what is selected, switched features, inbound webhooks; administrators of the server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import created, flag, owner, ref, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _table(name: str, *rest: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        *rest,
        sqlite_autoincrement=True,
    )


def upgrade() -> None:
    op.add_column("users", sa.Column("platform_admin", sa.Boolean, server_default=sa.false(), nullable=False))
    op.add_column("webhook_subscriptions", sa.Column("name", sa.Text, server_default="", nullable=False))
    op.add_column("phone_numbers", sa.Column("sms", sa.Boolean, server_default=sa.false(), nullable=False))
    _table("workspace_choices", ref("user_uid", "users"), owner(), sa.UniqueConstraint("user_uid"))
    _table(
        "workspace_settings",
        owner(),
        text("assistant"),
        text("phone"),
        text("org"),
        text("model_secret"),
        sa.UniqueConstraint("organization_uid"),
    )
    _table(
        "addons",
        owner(),
        sa.Column("kind", sa.String(40), nullable=False),
        flag("enabled"),
        sa.UniqueConstraint("organization_uid", "kind"),
    )
    _table(
        "inbound_webhooks",
        owner(),
        text("name"),
        sa.Column("token", sa.String(100), nullable=False, unique=True),
        text("sealed_secret"),
        created(),
    )
    op.create_index("ix_inbound_webhooks_organization_uid", "inbound_webhooks", ["organization_uid"])
    _table(
        "inbound_events",
        owner(),
        ref("webhook_uid", "inbound_webhooks"),
        text("content_type"),
        text("body"),
        flag("signed"),
        created(),
    )
    op.create_index("ix_inbound_events_webhook_uid_seq", "inbound_events", ["webhook_uid", "seq"])

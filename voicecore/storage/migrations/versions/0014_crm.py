"""Telephony providers; what a CRM knows of customers and users; knowledge as it was written in HTML."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import created, external, owner, text
from voicecore.storage.forwards import downgrade as downgrade

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", text("company"))
    op.add_column("customers", text("title"))
    op.add_column("users", text("avatar_url"))
    op.add_column("knowledge_articles", text("html"))
    op.create_table(
        "telephony_providers",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        owner(),
        external(),
        text("name"),
        text("kind"),
        text("host"),
        sa.Column("port", sa.Integer, sa.CheckConstraint("port BETWEEN 1 AND 65535", name="port"), nullable=False),
        text("username"),
        text("sealed_password"),
        text("context"),
        created(),
        sa.UniqueConstraint("organization_uid", "external_id"),
        sqlite_autoincrement=True,
    )

"""The table of telephony providers: the exchanges that clients run. `schema.py` has all tables."""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import created, external, owner, table, text

telephony_providers = table(
    "telephony_providers",
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
)

"""How often a session's refresh token was exchanged, and when last, so that a copy of an older one is noticed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.forwards import downgrade as downgrade

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("renewals", sa.Integer, nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("renewed_at", Instant()))

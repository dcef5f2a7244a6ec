"""What answers begun before the end of a turn gained and cost, by turn and by call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.forwards import downgrade as downgrade

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("calls", "turns"):
        op.add_column(table, sa.Column("speculation", sa.JSON(none_as_null=True), server_default="{}", nullable=False))

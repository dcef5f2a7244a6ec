"""Keys of providers, encrypted; what engines were used by each turn and call, and what it cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.forwards import downgrade as downgrade

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("calls", "turns"):
        op.add_column(table, sa.Column("usage", sa.JSON(none_as_null=True), server_default="{}", nullable=False))
        op.add_column(table, sa.Column("cost_microusd", sa.BigInteger, nullable=True))
    op.create_table(
        "secrets",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=True),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("ciphertext", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_secrets_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_secrets")),
        sa.UniqueConstraint("uid", name=op.f("uq_secrets_uid")),
        sa.UniqueConstraint("organization_uid", "name", name=op.f("uq_secrets_organization_uid_name")),
        sqlite_autoincrement=True,
    )
    nobody = sa.text("organization_uid IS NULL")
    op.create_index(
        "ix_secrets_everybodys", "secrets", ["name"], unique=True, sqlite_where=nobody, postgresql_where=nobody
    )

"""What articles mean, as vectors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant, owner, ref
from voicecore.storage.forwards import downgrade as downgrade

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "article_embeddings",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        owner(),
        ref("article_uid", "knowledge_articles"),
        sa.Column("model", sa.String(300), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("written_at", Instant(), nullable=False),
        sa.UniqueConstraint("article_uid", "model"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_article_embeddings_organization_uid_model", "article_embeddings", ["organization_uid", "model"])

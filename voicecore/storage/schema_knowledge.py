"""The table of what articles mean: one vector for each article and model. `schema.py` has all tables."""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, owner, ref, table

article_embeddings = table(
    "article_embeddings",
    owner(),
    ref("article_uid", "knowledge_articles"),
    sa.Column("model", sa.String(300), nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little-endian; empty: the model refuses this text
    sa.Column("written_at", Instant(), nullable=False),  # updated_at of the article that it was made of
    sa.UniqueConstraint("article_uid", "model"),
    sa.Index(None, "organization_uid", "model"),
)

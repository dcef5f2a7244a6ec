"""A piece of what the business knows, and how well it fits a question."""

from __future__ import annotations

from datetime import datetime

import msgspec


class KnowledgeArticle(msgspec.Struct, frozen=True, kw_only=True):
    """`questions` are example wordings. Without a business it belongs to all of the organization's. `html` is the
    content with its markup, where it was written so; `content` is what is said and searched."""

    uid: str
    seq: int = 0
    organization_uid: str
    business_uid: str | None = None
    external_id: str
    title: str
    content: str
    html: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    created_at: datetime
    updated_at: datetime


class ScoredArticle(msgspec.Struct, frozen=True):
    article: KnowledgeArticle
    score: float  # 0…1, comparable between queries

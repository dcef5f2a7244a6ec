"""Settings of what agents know, and of how it is found."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Cosine = Annotated[float, Meta(ge=-1, le=1)]


class EmbeddingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who turns articles and questions into vectors, so that an article is found that says it in other words."""

    provider: Literal["", "openai"] = ""  # "": nobody; articles are found by their words
    model: str = "text-embedding-3-small"
    base_url: str = "https://api.openai.com/v1"  # or another server with the same /embeddings
    api_key: str = "env:OPENAI_API_KEY"  # where it is, "env:NAME", "file:PATH" or "store:NAME"; "": it wants none
    dimensions: Annotated[int, Meta(ge=0, le=8192)] = 0  # 0: the model's own
    deadline_ms: Annotated[int, Meta(ge=10, le=10000)] = 300  # for a question; after that words alone decide
    unrelated: Cosine = 0.2  # what this model says of texts that have nothing to do with each other,
    alike: Cosine = 0.6  # and of a question and its answer

    def __post_init__(self) -> None:
        if self.alike <= self.unrelated:
            raise ValueError("alike must be above unrelated")

    def __repr__(self) -> str:
        """Without the key, which somebody may have put there itself."""
        return f"EmbeddingSettings(provider={self.provider!r}, model={self.model!r}, base_url={self.base_url!r})"


class KnowledgeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    embedding: EmbeddingSettings = EmbeddingSettings()

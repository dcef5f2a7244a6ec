"""Chooses who turns articles and questions into vectors, by the settings."""

from __future__ import annotations

from config.knowledge import EmbeddingSettings
from pipelines.errors import ConfigError
from pipelines.secrets import Secret, Store
from voicecore.services.embeddings import Embeddings
from voicecore.storage.database import Database

KEY = "knowledge.embedding.api_key"


async def embeddings(settings: EmbeddingSettings, store: Store, database: Database) -> Embeddings | None:
    """None where nobody is wished for. Raises ConfigError when the key is not where the settings say."""
    if not settings.provider:
        return None
    from pipelines.providers._openai_embeddings import OpenaiEmbedder

    try:
        key = await Secret(settings.api_key).resolved(store, "")
    except (ValueError, LookupError) as error:
        raise ConfigError(str(error), source="settings", key=KEY) from error
    embedder = OpenaiEmbedder(settings.base_url, key, settings.model, settings.dimensions)
    return Embeddings(database, embedder, settings)

"""Vectors from OpenAI's /embeddings, which Ollama, vLLM, llama.cpp, LiteLLM and others have too.

One small request over the shared pool: it needs no SDK. It retries nothing; that belongs to who asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp
import msgspec
import numpy as np

from pipelines.connections import Connections
from pipelines.embedding import Vectors
from pipelines.errors import Remedy, StageError
from pipelines.providers._refusals import SHOWN, refused
from pipelines.secrets import Secret

STAGE, PROVIDER = "embedding", "openai"
LONGEST_ANSWER = 32 << 20  # bytes
PIECE = 1 << 16
WRONG_TEXT = (400, 413, 422)  # what it says of texts that are too long


class _Row(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Row]


class OpenaiEmbedder:
    """Implements `Embedder`. `dimensions` 0: the model's own. Made inside a running loop; to be closed."""

    def __init__(self, base_url: str, key: Secret, model: str, dimensions: int = 0) -> None:
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._key = key.reveal()
        self._fixed: dict[str, object] = {"model": model} | ({"dimensions": dimensions} if dimensions else {})
        self.model = f"{model}/{dimensions}" if dimensions else model
        self._pool = Connections.take()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        body = msgspec.json.encode({**self._fixed, "input": list(texts)})
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            request = self._pool.session.post(self._url, data=body, headers=headers, allow_redirects=False)
            async with request as response:
                raw = await _bounded(response)
                if response.status != 200:
                    raise self._refused(response, raw)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(f"the connection failed ({type(error).__name__})") from error
        return _vectors(raw, len(texts))

    async def close(self) -> None:
        await self._pool.give_back()

    def _refused(self, response: aiohttp.ClientResponse, raw: bytes) -> StageError:
        message = raw[: 4 * SHOWN].decode("utf-8", "replace")
        if self._key:  # servers like to repeat the key that they refuse
            message = message.replace(self._key, "…")
        error = refused(response.status, response.headers, message, stage=STAGE, provider=PROVIDER)
        if response.status in WRONG_TEXT:
            error.remedy = Remedy.STOP
        return error


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        raw += piece
        if len(raw) > LONGEST_ANSWER:
            raise _failure("an answer that is too long")
    return bytes(raw)


def _vectors(raw: bytes, count: int) -> Vectors:
    """As many rows as there were texts, in their order. Raises StageError."""
    try:
        rows = sorted(msgspec.json.decode(raw, type=_Answer).data, key=lambda row: row.index)
        found = np.array([row.embedding for row in rows], dtype=np.float64)  # a ValueError where lengths differ
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _failure("malformed answer") from error
    if [row.index for row in rows] != list(range(count)) or found.ndim != 2 or not found.shape[1]:
        raise _failure("an answer without a vector for each text")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise _failure("a vector without a direction")
    vectors: Vectors = (found / lengths).astype(np.float32)
    return vectors


def _failure(message: str) -> StageError:
    return StageError(message, stage=STAGE, provider=PROVIDER)

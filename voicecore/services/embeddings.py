"""What articles and questions mean, as vectors of a provider. Articles are seen to beside calls and requests; a
question waits for its vector until its deadline, and without one nothing is said of meanings.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import structlog
from sqlalchemy.exc import IntegrityError

from config.knowledge import EmbeddingSettings
from pipelines.embedding import Embedder, Vectors
from pipelines.errors import Remedy, StageError
from voicecore.domain.knowledge import KnowledgeArticle
from voicecore.services.vector_shelves import VectorShelves
from voicecore.services.vectors import stored
from voicecore.storage import embeddings as rows
from voicecore.storage.database import Database
from voicecore.storage.embeddings import Embedded

EVERY_S, AFTER_TROUBLE_S = 5.0, 30.0
PER_COST = 50.0  # of looking whether there is anything to do: so many times as long until the next time
AT_ONCE = 32  # articles in one request
REQUEST_S = 30.0
LONGEST_TEXT = 6000  # characters of an article: models take some 8000 tokens
NEAREST = 200  # articles that may answer a question
LEAST = 0.25  # what means less has nothing to do with the question
KEPT_QUESTIONS = 256
FAILURES, REST_S = 3, 30.0  # after so many in a row no question waits for the provider for so long

log = structlog.get_logger(__name__)


class Embeddings:
    """Takes over `embedder`, and closes it."""

    def __init__(self, database: Database, embedder: Embedder, settings: EmbeddingSettings) -> None:
        self._database = database
        self._embedder = embedder
        self._settings = settings
        self._questions: OrderedDict[str, Vectors] = OrderedDict()
        self._shelves = VectorShelves(database, embedder.model)
        self._failures = 0
        self._rest_until_s = 0.0  # monotonic, as below
        self._next_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def meanings(self, organization_uid: str, question: str) -> dict[str, float]:
        """How near to the question the nearest articles are, 0…1, by uid; empty when that is not known in time."""
        until_s = time.monotonic() + self._settings.deadline_ms / 1000
        vector = await self._vector(question)
        if vector is None:
            return {}
        collection = await self._shelves.collection(organization_uid, len(vector), until_s)
        if collection is None:
            return {}
        near = await asyncio.to_thread(collection.nearest, vector, NEAREST)
        low, high = self._settings.unrelated, self._settings.alike
        meant = {uid: min((cosine - low) / (high - low), 1.0) for uid, cosine in near}
        return {uid: meaning for uid, meaning in meant.items() if meaning >= LEAST}

    async def _vector(self, question: str) -> Vectors | None:
        text = " ".join(question.split())
        if (known := self._questions.get(text)) is not None:
            self._questions.move_to_end(text)
            return known
        if not any(map(str.isalnum, text)) or time.monotonic() < self._rest_until_s:
            return None
        try:
            async with asyncio.timeout(self._settings.deadline_ms / 1000):
                vector: Vectors = (await self._embedder.embed([text]))[0]
        except (TimeoutError, StageError) as error:
            self._failures += 1
            if self._failures >= FAILURES:
                self._rest_until_s = time.monotonic() + REST_S
            log.warning("question_without_vector", failures=self._failures, reason=_reason(error))
            return None
        self._failures = 0
        self._questions[text] = vector
        if len(self._questions) > KEPT_QUESTIONS:
            self._questions.popitem(last=False)
        return vector

    # --- articles -----------------------------------------------------------------------------------

    async def step(self) -> None:
        """Every few seconds: begins to see to what is new or was changed, and does not wait for it."""
        if (self._task is None or self._task.done()) and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            self._task = asyncio.create_task(self._catch_up(), name="embeddings")
            self._task.add_done_callback(_told)

    async def idle(self) -> None:
        """What was begun for articles is over."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.idle()
        await self._shelves.close()
        await self._embedder.close()

    async def _catch_up(self) -> None:
        try:
            while True:
                began_s = time.monotonic()
                count = await self.update()
                if count < AT_ONCE:
                    break
            if count == 0:  # looking costs, where there is very much to look at
                now_s = time.monotonic()
                self._next_s = max(self._next_s, now_s + PER_COST * (now_s - began_s))
        except (TimeoutError, StageError) as error:
            after_s = getattr(error, "retry_after_s", None) or 0.0
            self._next_s = time.monotonic() + max(after_s, AFTER_TROUBLE_S)
            log.warning("articles_without_vectors", reason=_reason(error))

    async def update(self) -> int:
        """Vectors for the next articles that need some; of how many. Raises StageError, TimeoutError."""
        async with self._database.read() as connection:
            due = await rows.due(connection, self._embedder.model, AT_ONCE)
        if not due:
            return 0
        found = await self._embedded([_text(article) for article in due])
        made = [
            Embedded(article.uid, article.updated_at, b"" if vector is None else stored(vector))
            for article, vector in zip(due, found, strict=True)
        ]
        try:
            async with self._database.append() as connection:
                await rows.put(connection, self._embedder.model, made)
        except IntegrityError:
            log.debug("another_process_was_faster", articles=len(made))
        return len(due)

    async def _embedded(self, texts: list[str]) -> list[Vectors | None]:
        """None: the provider takes the others, and not this one."""
        try:
            return list(await self._ask(texts))
        except StageError as error:
            if error.remedy is not Remedy.STOP or len(texts) == 1:
                raise
            refusal = error
        found: list[Vectors | None] = []
        for text in texts:
            try:
                found.append((await self._ask([text]))[0])
            except StageError as one:
                if one.remedy is not Remedy.STOP:
                    raise
                found.append(None)
        if not any(vector is not None for vector in found):
            raise refusal  # it is not the texts
        return found

    async def _ask(self, texts: list[str]) -> Vectors:
        async with asyncio.timeout(REQUEST_S):
            return await self._embedder.embed(texts)


def _text(article: KnowledgeArticle) -> str:
    parts = (article.title, article.category, " ".join(article.tags), *article.questions, article.content)
    return "\n".join(part for part in parts if part)[:LONGEST_TEXT]


def _reason(error: TimeoutError | StageError) -> str:
    return error.message if isinstance(error, StageError) else "no answer in time"


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("embedding_failed", exc_info=error)

"""Starts the REST side on a loopback port, on every kind of database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_server import SEED, Server, Start
from database_copies import Copies

from config.crms import IntegrationSettings
from config.knowledge import EmbeddingSettings
from pipelines.secrets import NoStore
from voicecore.dealings import DEFAULT_INTEGRATIONS
from voicecore.embedding import embeddings
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer

NO_EMBEDDING = EmbeddingSettings()


@pytest.fixture
async def start(tmp_path: Path, copies: Copies, database_kind: str) -> AsyncIterator[Start]:
    async with contextlib.AsyncExitStack() as stack:

        async def started(
            *,
            relaxed: bool = True,
            open_call_log: bool = True,
            integrations: IntegrationSettings = DEFAULT_INTEGRATIONS,
            embedding: EmbeddingSettings = NO_EMBEDDING,
        ) -> Server:
            url = await stack.enter_async_context(copies.copy(database_kind, tmp_path, SEED))
            database = await Database.open(url, alone=True)  # so that what is remembered is tested on both
            writer = Writer(database)
            writer.start()
            made = await embeddings(embedding, NoStore(), database)
            server = Server(tmp_path, database, writer, relaxed, open_call_log, integrations, embeddings=made)
            await server.client.start_server()
            stack.push_async_callback(server.close)
            return server

        yield started


@pytest.fixture
async def server(start: Start) -> Server:
    return await start()

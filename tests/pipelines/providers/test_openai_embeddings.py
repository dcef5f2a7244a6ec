"""Vectors over OpenAI's protocol: what is asked, and what every kind of trouble means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from benchmarks.emulators.base import RETRY_AFTER_S, Fault
from benchmarks.emulators.openai import KEY, OpenaiEmulator
from benchmarks.emulators.openai_embeddings import vector_of
from pipelines.errors import KeyRefused, Remedy, StageError
from pipelines.providers._openai_embeddings import OpenaiEmbedder
from pipelines.secrets import Secret

TEXTS = ["where can I park my car", "a garage for your vehicle", "opening hours"]


@pytest.fixture
async def emulator() -> AsyncIterator[OpenaiEmulator]:
    async with OpenaiEmulator() as emulator:
        yield emulator


@pytest.fixture
async def embedder(emulator: OpenaiEmulator) -> AsyncIterator[OpenaiEmbedder]:
    made = OpenaiEmbedder(f"{emulator.url}/v1/", Secret("env:X", KEY), "text-embedding-3-small")
    yield made
    await made.close()


async def test_each_text_gets_its_own_vector_of_length_one(emulator: OpenaiEmulator, embedder: OpenaiEmbedder) -> None:
    vectors = await embedder.embed(TEXTS)  # the emulator answers in another order
    assert emulator.requests == [{"model": "text-embedding-3-small", "input": TEXTS}]
    assert (vectors.shape, vectors.dtype) == ((3, 1536), np.float32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector @ vector_of(text) == pytest.approx(1.0, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.9 > 0.2 > vectors[0] @ vectors[2]
    await embedder.embed(TEXTS[:1])
    assert emulator.connections == 1


async def test_dimensions_are_asked_for_and_part_of_the_name(emulator: OpenaiEmulator) -> None:
    embedder = OpenaiEmbedder(f"{emulator.url}/v1", Secret("env:X", KEY), "small", 64)
    assert (await embedder.embed(["a"])).shape == (1, 64)
    assert embedder.model == "small/64"
    assert emulator.requests[0]["dimensions"] == 64
    await embedder.close()


async def test_a_server_without_keys_gets_none(emulator: OpenaiEmulator) -> None:
    emulator.keys = ("",)
    embedder = OpenaiEmbedder(f"{emulator.url}/v1", Secret(), "small")
    assert len(await embedder.embed(["a"])) == 1
    await embedder.close()


@pytest.mark.parametrize(
    ("fault", "remedy", "message"),
    [
        (Fault.RATE_LIMIT, Remedy.SWITCH, "HTTP 429"),
        (Fault.SERVER_ERROR, Remedy.RETRY, "HTTP 500"),
        (Fault.CUT, Remedy.RETRY, "the connection failed"),
        (Fault.MALFORMED, Remedy.RETRY, "malformed answer"),
        (Fault.EMPTY, Remedy.RETRY, "without a vector for each text"),
        (Fault.HUGE, Remedy.RETRY, "too long"),
    ],
)
async def test_trouble_is_told(
    emulator: OpenaiEmulator, embedder: OpenaiEmbedder, fault: Fault, remedy: Remedy, message: str
) -> None:
    emulator.fault = fault
    with pytest.raises(StageError, match=message) as told:
        await embedder.embed(["hello"])
    assert told.value.remedy is remedy
    assert told.value.retry_after_s == (RETRY_AFTER_S if fault is Fault.RATE_LIMIT else None)
    emulator.fault = Fault.NONE
    assert len(await embedder.embed(["hello"])) == 1


async def test_a_refused_key_is_not_repeated(emulator: OpenaiEmulator) -> None:
    embedder = OpenaiEmbedder(f"{emulator.url}/v1", Secret("env:X", "sk-wrong-key"), "small")
    with pytest.raises(KeyRefused, match="HTTP 401") as told:
        await embedder.embed(["hello"])
    assert "sk-wrong-key" not in told.value.message
    await embedder.close()


async def test_a_refused_text_is_the_texts_fault(emulator: OpenaiEmulator, embedder: OpenaiEmbedder) -> None:
    emulator.refuses = {"endless"}
    with pytest.raises(StageError, match="maximum context length") as told:
        await embedder.embed(["an endless text"])
    assert told.value.remedy is Remedy.STOP


async def test_who_stops_waiting_ends_the_request(emulator: OpenaiEmulator, embedder: OpenaiEmbedder) -> None:
    emulator.fault = Fault.STALL
    asking = asyncio.create_task(embedder.embed(["hello"]))
    await emulator.busy()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await emulator.idle()
    assert emulator.cancelled == 1


async def test_nobody_listens(emulator: OpenaiEmulator) -> None:
    embedder = OpenaiEmbedder("http://127.0.0.1:9/v1", Secret(), "small")
    with pytest.raises(StageError, match="the connection failed"):
        await embedder.embed(["hello"])
    await embedder.close()

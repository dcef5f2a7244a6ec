"""Articles that are found by what they mean, through the surfaces that search, and in a server made from settings."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from api_server import Start
from crm_desk import login
from media_server import Serve

from benchmarks.emulators.openai import KEY, OpenaiEmulator
from config.knowledge import EmbeddingSettings, KnowledgeSettings
from voicecore.services.agents import Agents
from voicecore.services.knowledge import KnowledgeBase, NewArticle
from voicecore.services.receptionist_ports import AgentKnowledge
from voicecore.storage import tenants
from voicecore.storage.database import Database

PARKING = {"title": "Parking", "content": "The garage is behind the house."}
VEHICLE = "leave my automobile"


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenaiEmulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with OpenaiEmulator() as emulator:
        yield emulator


def settings(emulator: OpenaiEmulator) -> EmbeddingSettings:
    return EmbeddingSettings(provider="openai", base_url=f"{emulator.url}/v1", deadline_ms=10_000)


async def test_surfaces_and_agents_ask_the_same_knowledge(start: Start, emulator: OpenaiEmulator) -> None:
    server = await start(embedding=settings(emulator))
    headers = await server.headers()
    made = await server.client.post("/api/v1/knowledge", json=PARKING, headers=headers)
    assert (made.status, emulator.requests) == (201, [])  # nobody waits for the article's vector
    await server.dealings.knowledge.step()
    await server.dealings.knowledge.idle()
    asked = {"query": VEHICLE, "threshold": 0.5}
    found = await (await server.client.post("/api/v1/knowledge/search", json=asked, headers=headers)).json()
    assert [hit["title"] for hit in found["results"]] == ["Parking"]
    crm = await login(server)
    assert [row["title"] for row in (await crm.get("/knowledge-base/search", query=VEHICLE))["data"]] == ["Parking"]
    bob = await server.headers("bob@two.example")
    theirs = await (await server.client.post("/api/v1/knowledge/search", json=asked, headers=bob)).json()
    assert theirs["results"] == []
    async with server.database.read() as connection:
        one = await tenants.organization_named(connection, "org_one")
    assert one is not None
    agent = await Agents(server.database).routed(one.uid, "agent_1")
    assert [hit.title for hit in await AgentKnowledge(server.knowledge, agent).search(VEHICLE)] == ["Parking"]


async def test_a_server_makes_vectors_beside_its_work(
    serve: Serve, emulator: OpenaiEmulator, tmp_path: Path, seeded_data: Path
) -> None:
    shutil.copytree(seeded_data, tmp_path / "data")
    database = await Database.open_file(tmp_path / "data" / "voicecore.db")
    async with database.read() as connection:
        demo = await tenants.organization_named(connection, "org_demo")
    assert demo is not None
    await KnowledgeBase(database).add(demo.uid, NewArticle(**PARKING))
    await database.close()
    house = await serve(knowledge=KnowledgeSettings(embedding=settings(emulator)))
    async with aiohttp.ClientSession(house.server.url) as client, asyncio.timeout(20):
        credentials = {"username": "ada@demo.example", "password": "ada-password"}
        token = (await (await client.post("/api/v1/auth/login", json=credentials)).json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        found: list[str] = []
        while not found:
            answer = await client.post("/api/v1/knowledge/search", json={"query": VEHICLE}, headers=headers)
            found = [hit["title"] for hit in (await answer.json())["results"]]
    assert found == ["Parking"]

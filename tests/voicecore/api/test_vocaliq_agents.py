"""Document 004, agents: deep merge, versions, client-chosen ids, strict settings."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import Server

PATH = "/api/v1/agents/agent_1"


async def test_reading_answers_as_documented(server: Server) -> None:
    response = await server.client.get(PATH, headers=await server.headers())
    agent = await response.json()
    documented = {"id", "organization_id", "name", "description", "config", "active", "created_at"}
    assert set(agent) >= documented
    assert (agent["id"], agent["organization_id"], agent["version"]) == ("agent_1", "org_one", 1)
    assert agent["config"]["greeting"] == "Hi from {company_name}"  # filled when it is spoken
    assert set(agent["config"]["voice"]) == {"provider", "voice_id", "settings"}
    assert agent["created_at"].endswith("Z")


async def test_put_merges_deeply_and_makes_versions(server: Server) -> None:
    headers = await server.headers()
    voice = {"provider": "elevenlabs", "settings": {"stability": 0.5, "speed": 1.0}}
    first = {"config": {"voice": voice, "personality": {"tone": "friendly", "traits": ["a"]}}}
    assert (await server.client.put(PATH, headers=headers, json=first)).status == 200
    second = {"name": "Verkauf", "config": {"voice": {"settings": {"speed": 1.2}}, "turn": {"barge_in": False}}}
    response = await server.client.put(PATH, headers=headers, json=second)
    agent = await response.json()
    assert agent["version"] == 3
    assert agent["name"] == "Verkauf"
    config = agent["config"]
    assert config["voice"] == {
        "provider": "elevenlabs", "voice_id": "", "settings": {"stability": 0.5, "speed": 1.2},
    }  # fmt: skip
    assert config["personality"] == {"tone": "friendly", "traits": ["a"]}
    assert config["turn"]["barge_in"] is False
    assert config["greeting"] == "Hi from {company_name}"
    again = await server.client.put(PATH, headers=headers, json=second)
    assert (await again.json())["version"] == 3  # nothing changed
    reset = {"config": {"greeting": None, "voice": {"settings": {"stability": None}}}}
    agent = await (await server.client.put(PATH, headers=headers, json=reset)).json()
    assert agent["config"]["greeting"] == "Hello, you have reached {company_name}. How can I help you?"
    assert agent["config"]["voice"]["settings"] == {"speed": 1.2}


async def test_a_call_keeps_the_version_it_began_with(server: Server) -> None:
    routed = await server.agents.route(agent_id="agent_1")
    journal = server.log.open(routed.agent)
    patch = {"config": {"greeting": "New"}}
    assert (await server.client.put(PATH, headers=await server.headers(), json=patch)).status == 200
    assert journal.call.agent_version == 1
    old = await server.agents.version(routed.agent.organization_uid, "agent_1", 1)
    assert old.config.greeting == "Hi from {company_name}"
    assert (await server.agents.route(agent_id="agent_1")).agent.config.greeting == "New"


async def test_put_creates_under_the_clients_id(server: Server) -> None:
    headers = await server.headers()
    body = {"name": "Ünïcode 🦷", "config": {"greeting": "Grüß Gott; DROP TABLE agents;--"}}
    response = await server.client.put("/api/v1/agents/agent:new-1.x", headers=headers, json=body)
    agent = await response.json()
    assert (response.status, agent["id"], agent["version"]) == (200, "agent:new-1.x", 1)
    stored = await (await server.client.get("/api/v1/agents/agent:new-1.x", headers=headers)).json()
    assert (stored["name"], stored["config"]["greeting"]) == (body["name"], body["config"]["greeting"])


async def test_the_same_id_of_another_organization_is_another_agent(server: Server) -> None:
    bob = await server.headers("bob@two.example")
    put = await server.client.put(PATH, headers=bob, json={"name": "Bob's"})
    assert (await put.json())["organization_id"] == "org_two"
    agent = await (await server.client.get(PATH, headers=await server.headers())).json()
    assert (agent["name"], agent["version"]) == ("Reception", 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"config": {"greetings": "x"}}, "config.greetings"),
        ({"config": {"turn": {"base_wait_ms": 1}}}, "config.turn.base_wait_ms"),
        ({"config": {"voice": {"settings": 3}}}, "config.voice.settings"),
        ({"config": {"personality": {"traits": "kind"}}}, "config.personality.traits"),
        ({"config": []}, "config"),
        ({"name": 7}, "name"),
        ({"name": " "}, "name"),
        ({"active": "yes"}, "active"),
        ({"name": "nul \x00"}, "body"),
    ],
)
async def test_wrong_settings_are_refused_with_their_path(server: Server, body: dict[str, Any], field: str) -> None:
    headers = await server.headers()
    response = await server.client.put(PATH, headers=headers, json=body)
    answer = await response.json()
    assert response.status == 422
    assert [detail["field"] for detail in answer["error"]["details"]] == [field]
    assert (await (await server.client.get(PATH, headers=headers)).json())["version"] == 1


@pytest.mark.parametrize("agent_id", ["%20", "a%20b", "ключ", "a%00", "x" * 101, "..%2f..", "'--"])
async def test_strange_ids(server: Server, agent_id: str) -> None:
    headers = await server.headers()
    path = f"/api/v1/agents/{agent_id}"
    assert (await server.client.put(path, headers=headers, json={"name": "x"})).status in (404, 422)
    assert (await server.client.get(path, headers=headers)).status == 404

"""Which agent answers: by name, by number, by default; never one of a tenant that was not meant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipelines.errors import NotFound, ValidationError
from voicecore.services.agents import AgentPatch, Agents, RoutedAgent
from voicecore.storage.database import Database


async def test_routing(database: Database, one: RoutedAgent, two: RoutedAgent) -> None:
    agents = Agents(database)
    assert (one.business.name, one.business.timezone, one.phone_number) == (
        "One Dental", "Europe/Berlin", "+49 30 1111111",
    )  # fmt: skip
    assert (await agents.route()).agent.uid == one.agent.uid
    assert (await agents.route(agent_id="agent_1", number="004930 1111111")).agent.uid == one.agent.uid
    assert (await agents.routed(two.agent.organization_uid, "agent_1")).agent.name == "Other"
    for missing in (agents.route(agent_id="nobody"), agents.routed(two.agent.organization_uid, "x")):
        with pytest.raises(NotFound):
            await missing


async def test_an_agent_that_is_switched_off_does_not_answer(database: Database, one: RoutedAgent) -> None:
    agents = Agents(database)
    await agents.upsert(one.agent.organization_uid, "agent_1", AgentPatch(active=False))
    with pytest.raises(NotFound):
        await agents.route(number="+49301111111")


async def test_concurrent_changes_lose_none_and_number_all(database: Database, one: RoutedAgent) -> None:
    agents, uid = Agents(database), one.agent.organization_uid
    patches = [AgentPatch(config={"voice": {"settings": {f"k{n}": n}}}) for n in range(20)]
    await asyncio.gather(*(agents.upsert(uid, "agent_1", patch) for patch in patches))
    final = await agents.get(uid, "agent_1")
    assert final.version == 21
    assert final.config.voice.settings == {f"k{n}": n for n in range(20)}


async def test_strange_ids_are_refused(database: Database, one: RoutedAgent) -> None:
    for bad in ("", " ", "a b", "ü", "x" * 101, "../x", "-x"):
        with pytest.raises(ValidationError):
            await Agents(database).upsert(one.agent.organization_uid, bad, AgentPatch())


@pytest.mark.parametrize(
    ("config", "field", "reason"),
    [
        ({"greeting": "Hello {nobody}"}, "config.greeting", "unknown placeholder {nobody}"),
        ({"stages": {"ears": {"provider": "webrtc"}}}, "config.stages.ears", "no such stage"),
        ({"stages": {"llm": {"provider": "nobody"}}}, "config.stages.llm.provider", 'no provider "nobody"'),
        ({"stages": {"llm": {"provider": "webrtc"}}}, "config.stages.llm.provider", "has no llm stage"),
        ({"stages": {"vad": {"provider": "webrtc", "options": {"mode": 9}}}}, "config.stages.vad.options", "<= 3"),
        (
            {"stages": {"llm": {"provider": "receptionist", "fallback": [{"provider": "nobody"}]}}},
            "config.stages.llm.fallback.provider",
            'no provider "nobody"',
        ),
    ],
)
async def test_what_would_fail_on_a_call_is_refused_before(
    database: Database, one: RoutedAgent, config: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await Agents(database).upsert(one.agent.organization_uid, "agent_1", AgentPatch(config=config))
    ((path, why),) = caught.value.fields
    assert path == field
    assert reason in why

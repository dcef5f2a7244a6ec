"""What engines used, from a turn to its call to the sum of an agent's calls."""

from __future__ import annotations

from typing import Any

from api_server import Server

from pipelines.events import EndReason
from pipelines.timing import Turn
from pipelines.usage import Used, cost_microusd
from voicecore.services.call_log import recover
from voicecore.services.calls import Calls

MODEL = Used(input_tokens=1000, cached_tokens=400, output_tokens=50, wasted_tokens=20, cost_microusd=250)
VOICE = Used(spoken_characters=40, unheard_characters=10, spoken_s=3.25, cost_microusd=2500)
EAR = Used(heard_s=2.5, cost_microusd=None)


def turn(index: int, **usage: Used) -> Turn:
    named = {name.replace("__", "/"): used for name, used in usage.items()}
    return Turn(index, 0.0, 2000.0, usage=named, cost_microusd=cost_microusd(named))


async def ended(server: Server, *turns: Turn, rest: dict[str, Used] | None = None) -> str:
    journal = server.log.open((await server.agents.route(agent_id="agent_1")).agent)
    journal.answered()
    for one in turns:
        journal.turn_finished(one)
    journal.used(rest or {})
    journal.ended(EndReason.CALLER_HANGUP, 2000.0)
    await server.writer.flush()
    return journal.call.external_id


async def usage(server: Server, who: str = "ada@one.example", **query: Any) -> dict[str, Any]:
    response = await server.client.get("/api/v1/usage", headers=await server.headers(who), params=query)
    assert response.status == 200, await response.text()
    return {item["agent_id"]: item for item in (await response.json())["items"] if item["models"]}


async def test_turns_add_up_to_calls_and_calls_to_agents(server: Server) -> None:
    turns = [turn(0, cloud__voice=VOICE), turn(1, cloud__voice=VOICE, cloud__big=MODEL)]
    first = await ended(server, *turns, rest={"cloud/ear": Used(heard_s=1.0, cost_microusd=7)})
    organization = (await server.agents.route(agent_id="agent_1")).agent.organization_uid
    detail = await Calls(server.database).get(organization, first)
    assert [stored.usage for stored in detail.turns] == [one.usage for one in turns]
    assert [stored.cost_microusd for stored in detail.turns] == [2500, 2750]
    assert detail.call.usage["cloud/voice"] == VOICE + VOICE
    assert detail.call.cost_microusd == 2500 + 2750 + 7
    await ended(server, turn(0, cloud__voice=VOICE))
    summed = (await usage(server))["agent_1"]
    assert summed["cost_microusd"] == 2500 + 2750 + 7 + 2500
    voice = summed["models"]["cloud/voice"]
    assert (voice["spoken_characters"], voice["unheard_characters"], voice["spoken_s"]) == (120, 30, 9.75)
    assert summed["models"]["cloud/big"]["cached_tokens"] == 400
    assert await usage(server, "bob@two.example") == {}
    assert await usage(server, agent_id="agent_1", date_to="2026-01-22") == {}


async def test_an_unknown_cost_is_not_zero(server: Server) -> None:
    await ended(server, turn(0, cloud__ear=EAR, cloud__voice=VOICE))
    summed = (await usage(server))["agent_1"]
    assert summed["cost_microusd"] is None
    assert summed["models"]["cloud/ear"]["cost_microusd"] is None
    assert summed["models"]["cloud/voice"]["cost_microusd"] == 2500


async def test_a_call_that_a_crash_ended_keeps_what_its_turns_used(server: Server) -> None:
    journal = server.log.open((await server.agents.route(agent_id="agent_1")).agent)
    journal.answered()
    journal.turn_finished(turn(0, cloud__voice=VOICE))
    await server.writer.flush()
    assert await recover(server.database, "") >= 1
    assert (await usage(server))["agent_1"]["cost_microusd"] == 2500

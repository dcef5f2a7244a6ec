"""Document 001, assistants and numbers: a list that says truly whether it was kept, and agents that answer."""

from __future__ import annotations

from api_server import Server
from dashboard_desk import Board, login, register

from config.schema import StageSettings
from voicecore.services.agents import AgentPatch
from voicecore.services.seed_format import SeedAgent, SeedFile, SeedNumber, SeedOrganization
from voicecore.services.seeding import Seeder

WANTED = {
    "name": "New Assistant",
    "model": {"provider": "openai", "model": "gpt-4"},
    "voice": {"provider": "11labs", "voiceId": "voice-id"},
}


async def test_assistants_are_made_and_the_list_says_truly_whether_it_was_kept(server: Server) -> None:
    board = await register(server)
    assert await board.get("/assistants") == {"assistants": [], "cached": False}
    assert await board.get("/assistants") == {"assistants": [], "cached": True}
    made = await board.post("/assistants", **WANTED)
    assert made == {"assistant": {"id": made["assistant"]["id"], "name": "New Assistant"}}
    shown = {"id": made["assistant"]["id"], **WANTED}
    assert await board.get("/assistants") == {"assistants": [shown], "cached": False}
    assert await board.get("/assistants") == {"assistants": [shown], "cached": True}
    other = await register(server, "other@example.com")
    assert await other.get("/assistants") == {"assistants": [], "cached": False}
    routed = await server.agents.routed(await board.workspace())
    assert (routed.agent.name, routed.business.name) == ("New Assistant", "John Doe")


async def test_a_change_on_another_surface_is_seen_at_once(server: Server) -> None:
    ada = await login(server, "ada@one.example")
    before = (await ada.get("/assistants"))["assistants"]
    assert [one["name"] for one in before] == ["Reception"]
    # What nobody chose is the pipeline's own.
    assert before[0]["model"] == {"provider": "receptionist", "model": "default"}
    assert before[0]["voice"] == {"provider": "simulated", "voiceId": "default"}
    headers = await server.headers()
    change = {"name": "Front desk", "config": {"voice": {"provider": "11labs", "voice_id": "v"}}}
    await server.client.put("/api/v1/agents/agent_1", json=change, headers=headers)
    listed = await ada.get("/assistants")
    assert listed["cached"] is False
    assert listed["assistants"][0]["name"] == "Front desk"
    assert listed["assistants"][0]["voice"] == {"provider": "11labs", "voiceId": "v"}
    await server.agents.upsert(await ada.workspace(), "agent_1", AgentPatch(active=False))
    assert await ada.get("/assistants") == {"assistants": [], "cached": False}


async def test_what_is_wrong_in_an_assistant_is_400(server: Server) -> None:
    board = await register(server)
    for wrong in (
        {},
        {**WANTED, "name": ""},
        {**WANTED, "name": "  "},
        {**WANTED, "model": "gpt-4"},
        {**WANTED, "model": {"provider": "openai"}},
        {**WANTED, "voice": {"provider": "11labs", "voiceId": 7}},
        {**WANTED, "voice": None},
    ):
        assert set(await board.ask("POST", "/assistants", 400, json=wrong)) == {"error"}
    assert (await board.get("/assistants"))["assistants"] == []


async def test_the_selected_assistant_answers_where_nobody_is_named(server: Server) -> None:
    board = await register(server)
    workspace = await board.workspace()
    for name in ("First", "Second"):
        await board.post("/assistants", name=name)
    second = (await board.get("/assistants"))["assistants"][1]
    assert (await server.agents.routed(workspace)).agent.name == "First"
    await board.ask("PUT", "/settings", json={"selectedAssistantId": second["id"]})
    assert (await server.briefings.routed(workspace)).agent.name == "Second"
    await board.ask("PUT", "/settings", json={"selectedAssistantId": "somebody else"})
    assert (await server.briefings.routed(workspace)).agent.name == "First"


async def test_the_model_that_is_wished_for_answers_where_there_is_a_key(server: Server) -> None:
    board = await register(server)
    workspace = await board.workspace()
    await board.post("/assistants", **WANTED)
    assert (await server.briefings.routed(workspace)).agent.config.stages == {}
    stages = []
    for key in ("sk-one", "sk-two"):
        await board.ask("PUT", "/settings", json={"openaiApiKey": key})
        stages.append((await server.briefings.routed(workspace)).agent.config.stages["llm"])
    assert [(stage.provider, stage.options["model"]) for stage in stages] == [("openai", "gpt-4")] * 2
    assert stages[0].fallback == (StageSettings(provider="receptionist"),)
    assert stages[0].options["api_key"] != stages[1].options["api_key"]  # a new key is a new engine
    await board.ask("PUT", "/settings", json={"openaiApiKey": None})
    assert (await server.briefings.routed(workspace)).agent.config.stages == {}


async def test_numbers_look_as_twilios_do_and_belong_to_one_workspace(server: Server) -> None:
    wanted = SeedOrganization(
        id="org_one",
        name="One Dental",
        agents=(SeedAgent(id="agent_1"),),
        phone_numbers=(
            SeedNumber(number="+49 30 9876543", agent="agent_1", label="My Phone Number", sms=True),
            SeedNumber(number="555-0100", agent="agent_1"),
        ),
    )
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(wanted,)), source="test")
    first, second = await (await login(server, "ada@one.example")).get("/twilio/phone-numbers")
    assert first == {
        "sid": first["sid"],
        "phoneNumber": "+49309876543",
        "friendlyName": "My Phone Number",
        "capabilities": {"voice": True, "sms": True},
    }
    assert len(first["sid"]) == 34
    assert first["sid"].startswith("PN")
    assert (second["phoneNumber"], second["friendlyName"]) == ("555-0100", "555-0100")
    assert second["capabilities"] == {"voice": True, "sms": False}
    assert await (await login(server, "bob@two.example")).get("/twilio/phone-numbers") == []
    assert set(await Board(server).ask("GET", "/twilio/phone-numbers", 401)) == {"error"}

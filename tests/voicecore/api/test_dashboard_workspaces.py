"""Document 001, workspaces and settings: wrappers, roles, seven keys always, merging, and walls between workspaces."""

from __future__ import annotations

import time

from api_server import Server
from dashboard_desk import Board, login, register

from voicecore.storage import secrets

KEYS = ["privateKey", "publicKey", "openaiApiKey"]
KEYS += ["selectedAssistantId", "selectedPhoneId", "selectedOrgId", "selectedWorkspaceId"]
UPDATED = {"message": "Settings updated successfully"}


async def test_registering_makes_a_workspace_and_others_are_made(server: Server) -> None:
    board = await register(server)
    listed = await board.get("/workspaces")
    assert set(listed) == {"workspaces"}
    [first] = listed["workspaces"]
    assert set(first) == {"id", "name", "role", "created_at"}
    assert first["role"] == "admin"
    assert type(first["created_at"]) is int
    assert abs(first["created_at"] - time.time()) < 60
    made = await board.post("/workspaces", name="New Workspace 🦷")
    assert set(made) == {"workspace"}
    second = made["workspace"]
    assert second == {"id": second["id"], "name": "New Workspace 🦷", "created_at": second["created_at"]}
    assert (await board.get("/workspaces"))["workspaces"] == [first, {**second, "role": "admin"}]
    await board.post("/workspaces", name="Third", unknown={"a\x00": "b"})  # what nobody reads may be anything
    for body in ({}, {"name": ""}, {"name": "  "}, {"name": 5}, {"name": None}, {"name": "a\x00b"}):
        assert set(await board.ask("POST", "/workspaces", 400, json=body)) == {"error"}


async def test_settings_have_seven_keys_and_put_merges(server: Server) -> None:
    board = await register(server)
    [mine] = (await board.get("/workspaces"))["workspaces"]
    settings = await board.get("/settings")
    assert list(settings) == KEYS
    assert settings == {**dict.fromkeys(KEYS), "selectedWorkspaceId": mine["id"]}
    first = {"privateKey": "new-api-key", "openaiApiKey": "new-openai-key", "selectedAssistantId": "assistant-id"}
    assert await board.ask("PUT", "/settings", json=first) == UPDATED
    assert await board.get("/settings") == {**settings, **first}
    then = {"publicKey": "schlüssel", "selectedPhoneId": "p", "selectedOrgId": "o", "selectedAssistantId": "b"}
    assert await board.ask("PUT", "/settings", json=then) == UPDATED
    assert await board.get("/settings") == {**settings, **first, **then}
    assert await board.ask("PUT", "/settings", json={}) == UPDATED
    assert await board.ask("PUT", "/settings", json={"privateKey": None, "openaiApiKey": ""}) == UPDATED
    emptied = {**settings, **first, **then, "privateKey": None, "openaiApiKey": None}
    assert await board.get("/settings") == emptied
    for wrong in ({"privateKey": 5}, {"selectedOrgId": ["x"]}, {"publicKey": "a\x00b"}, {"selectedPhoneId": "x" * 201}):
        assert set(await board.ask("PUT", "/settings", 400, json=wrong)) == {"error"}
    assert await board.get("/settings") == emptied


async def test_keys_are_stored_encrypted_and_a_new_model_key_has_a_new_name(server: Server) -> None:
    board = await register(server)
    for key in ("sk-first", "sk-first", "sk-second"):
        await board.ask("PUT", "/settings", json={"privateKey": "private", "openaiApiKey": key})
    async with server.database.read() as connection:
        stored = await secrets.everyone(connection)
    assert len(stored) == 2
    assert not any("private" in one.ciphertext or "sk-" in one.ciphertext for one in stored)
    assert (await board.get("/settings"))["openaiApiKey"] == "sk-second"


async def test_settings_hang_on_the_selected_workspace(server: Server) -> None:
    board = await register(server)
    first = await board.workspace()
    second = (await board.post("/workspaces", name="Second"))["workspace"]["id"]
    await board.ask("PUT", "/settings", json={"privateKey": "of the first", "selectedOrgId": "one"})
    await board.post("/assistants", name="Of the first")
    await board.ask("PUT", "/settings", json={"selectedWorkspaceId": second, "privateKey": "of the second"})
    there = await board.get("/settings")
    assert there == {**dict.fromkeys(KEYS), "privateKey": "of the second", "selectedWorkspaceId": second}
    assert (await board.get("/assistants"))["assistants"] == []
    again = await Board(server).post("/auth/login", email="user@example.com", password="securepassword")
    assert await Board(server, again["token"]).get("/settings") == there  # the choice is the user's, not the session's
    await board.ask("PUT", "/settings", json={"selectedWorkspaceId": first})
    assert (await board.get("/settings"))["privateKey"] == "of the first"
    assert [one["name"] for one in (await board.get("/assistants"))["assistants"]] == ["Of the first"]


async def test_nobody_gets_into_a_workspace_of_others(server: Server) -> None:
    mine, other = await register(server), await register(server, "other@example.com")
    theirs = await other.workspace()
    for wanted in (theirs, "00000000-0000-4000-8000-000000000000", "workspace-id"):
        refused = await mine.ask("PUT", "/settings", 404, json={"selectedWorkspaceId": wanted, "privateKey": "stolen"})
        assert refused == {"error": "Workspace not found"}
    settings = await mine.get("/settings")
    assert settings["selectedWorkspaceId"] not in ("", theirs)
    assert settings["privateKey"] is None
    assert (await other.get("/settings"))["privateKey"] is None


async def test_plain_members_select_and_read_but_see_no_keys_and_configure_nothing(server: Server) -> None:
    ada, dora = await login(server, "ada@one.example"), await login(server, "dora@one.example")
    await ada.ask("PUT", "/settings", json={"privateKey": "p", "openaiApiKey": "o", "selectedPhoneId": "PN1"})
    shared = await ada.workspace()
    [seen] = (await dora.get("/workspaces"))["workspaces"]
    assert (seen["id"], seen["role"]) == (shared, "user")
    settings = await dora.get("/settings")
    assert (settings["privateKey"], settings["openaiApiKey"], settings["selectedPhoneId"]) == (None, None, "PN1")
    refused = {"error": "Insufficient permissions"}
    assert await dora.ask("PUT", "/settings", 403, json={"selectedPhoneId": "PN2"}) == refused
    assert await dora.post("/assistants", 403, name="Mine") == refused
    assert await dora.post("/addons/toggle", 403, addonType="openai_analysis", enabled=False) == refused
    own = (await dora.post("/workspaces", name="Dora's"))["workspace"]["id"]
    assert await dora.ask("PUT", "/settings", json={"selectedWorkspaceId": own, "selectedPhoneId": "PN2"}) == UPDATED
    await dora.ask("PUT", "/settings", json={"selectedWorkspaceId": shared})
    assert (await dora.get("/settings"))["selectedPhoneId"] == "PN1"

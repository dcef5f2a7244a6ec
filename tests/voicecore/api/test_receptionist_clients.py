"""Document 002, clients: shapes, merge, unique numbers, what a client is in the core, what deleting leaves."""

from __future__ import annotations

import re
import uuid

import pytest
import sqlalchemy as sa
from api_server import Server
from receptionist_desk import CALL, Desk, register

from pipelines.errors import NotFound

SAMPLE = {
    "name": "Dr. Mike's Dental",
    "phone_number": "+1-555-0100",
    "profession": "dentist",
    "voice_name": "af_sarah",
}
MISSING = {"error": "Client not found"}


async def test_the_documented_life_of_a_client(server: Server) -> None:
    desk = await register(server)
    assert await desk.get("/clients") == {"clients": []}
    made = await desk.ask("POST", "/clients", 201, json=SAMPLE)
    client = made["client"]
    assert client == SAMPLE | {"id": client["id"], "created_at": client["created_at"]}
    assert str(uuid.UUID(client["id"])) == client["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", client["created_at"])
    assert await desk.get(f"/clients/{client['id']}") == made
    assert await desk.get("/clients") == {"clients": [client]}
    change = {"name": "Dr. Mike's Dental - Updated", "profession": "dentist", "voice_name": "af_sky"}
    changed = await desk.ask("PUT", f"/clients/{client['id']}", 200, json=change)
    assert changed == {"client": client | change}
    assert await desk.get(f"/clients/{client['id']}") == changed
    assert await desk.ask("DELETE", f"/clients/{client['id']}", 200) == {"message": "Client deleted"}
    for method in ("GET", "PUT", "DELETE"):
        assert await desk.ask(method, f"/clients/{client['id']}", 404, json={}) == MISSING
    assert await desk.get("/clients") == {"clients": []}


async def test_a_client_is_a_business_with_an_agent_that_answers_its_number(server: Server) -> None:
    desk = await register(server)
    client = await desk.client(**SAMPLE)
    routed = await server.agents.route(number="+15550100")
    assert (routed.business.uid, routed.business.profession, routed.agent.name) == (
        client["id"], "dentist", "Dr. Mike's Dental",
    )  # fmt: skip
    await desk.ask("PUT", f"/clients/{client['id']}", 200, json={"name": "Mike", "phone_number": "+1 (555) 777"})
    moved = await server.agents.route(number="+1555777")
    assert (moved.agent.uid, moved.agent.name, moved.business.name) == (routed.agent.uid, "Mike", "Mike")
    assert (await server.agents.route(number="+15550100")).agent.uid != moved.agent.uid
    await desk.ask("DELETE", f"/clients/{client['id']}", 200)
    with pytest.raises(NotFound):
        await server.agents.route(agent_id=routed.agent.external_id)
    assert (await desk.client(phone_number="+1555777"))["phone_number"] == "+1555777"


async def test_a_number_rings_in_one_place_only(server: Server) -> None:
    mine, other = await register(server), await register(server, "other@example.com")
    client = await mine.client(phone_number="+1-555-0100")
    taken = {"error": "Phone number already in use"}
    for number in ("+1-555-0100", "+1 555 0100", "0015550100"):
        for desk in (mine, other):
            assert await desk.ask("POST", "/clients", 400, json={"name": "B", "phone_number": number}) == taken
    second = await other.client()
    wanted = {"name": "Not kept", "phone_number": "+1-555-0100"}
    assert await other.ask("PUT", f"/clients/{second['id']}", 400, json=wanted) == taken
    assert await other.get(f"/clients/{second['id']}") == {"client": second}  # the name neither
    same = await mine.ask("PUT", f"/clients/{client['id']}", 200, json={"phone_number": "+1 (555) 0100"})
    assert same["client"]["phone_number"] == "+1 (555) 0100"


async def test_optional_members_may_be_missing_or_emptied(server: Server) -> None:
    desk = await register(server)
    client = await desk.client()
    assert (client["profession"], client["voice_name"]) == (None, None)
    path = f"/clients/{client['id']}"
    await desk.ask("PUT", path, 200, json={"profession": "dentist", "voice_name": "af_sky"})
    emptied = await desk.ask("PUT", path, 200, json={"profession": None})
    assert emptied["client"] == client | {"voice_name": "af_sky"}
    assert await desk.ask("PUT", path, 200, json={}) == emptied


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": ""},
        {"name": "   "},
        {"name": 5},
        {"phone_number": None},
        {"phone_number": ""},
        {"phone_number": "no digits"},
        {"phone_number": "1" * 41},
        {"phone_number": 15550100},
        {"profession": 5},
        {"voice_name": ["af_sarah"]},
        {"name": "nul\x00"},
    ],
)
async def test_bad_members_are_refused(server: Server, wrong: dict[str, object]) -> None:
    desk = await register(server)
    client = await desk.client()
    for method, path, body in (("POST", "/clients", SAMPLE | wrong), ("PUT", f"/clients/{client['id']}", wrong)):
        answer = await desk.ask(method, path, 400, json=body)
        assert list(answer) == ["error"]
        assert answer["error"]
    assert await desk.get("/clients") == {"clients": [client]}


async def test_name_and_number_must_be_given(server: Server) -> None:
    desk = await register(server)
    for left_out in ("name", "phone_number"):
        body = {name: value for name, value in SAMPLE.items() if name != left_out}
        assert await desk.ask("POST", "/clients", 400, json=body) == {"error": f"{left_out} required"}


@pytest.mark.parametrize(
    "text", ["Zähne & Söhne 🦷", "'; DROP TABLE businesses; --", "日本\u202e\u0301", 'a\\"b\n\t<b>']
)
async def test_texts_come_back_byte_for_byte(server: Server, text: str) -> None:
    desk = await register(server, name=text)
    client = await desk.client(name=text, profession=text, voice_name=text)
    read = (await desk.get(f"/clients/{client['id']}"))["client"]
    assert (read["name"], read["profession"], read["voice_name"]) == (text, text, text)
    facts = {"caller_name": text, "transcript": text, "notes": text, "recording_url": text}
    call = await desk.log(client["id"], caller_phone=text, **facts)
    detail = (await desk.get(f"/calls/{call['id']}"))["call"]
    assert {name: detail[name] for name in facts} == facts
    assert detail["caller_phone"] == text
    assert (await desk.get("/auth/me"))["user"]["name"] == text


async def test_deleting_a_client_keeps_its_calls_in_all_totals(server: Server) -> None:
    desk = await register(server)
    gone, kept = await desk.client(), await desk.client()
    calls = [await desk.log(client["id"], **CALL) for client in (gone, kept, gone)]
    before = await desk.get("/analytics/dashboard")
    await desk.ask("DELETE", f"/clients/{gone['id']}", 200)
    after = await desk.get("/analytics/dashboard")
    assert after == before | {"total_clients": 1}
    listed = await desk.get("/calls")
    assert listed["total"] == after["total_calls"] == 3
    assert {row["client_id"] for row in listed["calls"]} == {gone["id"], kept["id"]}
    assert (await desk.get(f"/calls/{calls[0]['id']}"))["call"]["client_id"] == gone["id"]
    assert (await desk.get("/calls", client_id=gone["id"]))["total"] == 2
    assert await desk.ask("GET", f"/analytics/client/{gone['id']}/stats", 404) == MISSING
    assert await desk.ask("POST", "/calls", 404, json={"client_id": gone["id"]}) == MISSING
    assert await Desk(server).ask("POST", "/calls", 404, json={"client_id": gone["id"]}) == MISSING


async def test_a_crash_while_creating_says_what_the_document_says(server: Server) -> None:
    desk = await register(server)
    async with server.database.write() as connection:
        await connection.execute(sa.text("ALTER TABLE businesses RENAME TO elsewhere"))
    assert await desk.ask("POST", "/clients", 500, json=SAMPLE) == {"error": "Failed to create client"}

"""Document 003, calls that are placed, handed on and ended, with the whole server and the simulated carrier."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from calling_desk import SIMULATED
from media_server import House, Serve, eventually

from config.schema import CarrierSettings, SimulatedCarrierSettings
from pipelines.events import EndReason, EventKind

SILENT = "+49 30 1239994"  # answers, and says nothing
CALL = {"agent_id": "reception", "to_number": SILENT, "from_number": "+15550100000"}


class Crm:
    def __init__(self, house: House, session: aiohttp.ClientSession) -> None:
        self.house = house
        self._session = session

    async def ask(self, method: str, path: str, status: int = 200, body: Any = None) -> Any:
        url = f"{self.house.server.url}/crm/api{path}"
        async with self._session.request(method, url, json=body) as response:
            answer = await response.json()
            assert response.status == status, answer
            assert answer["success"] is (status < 400)
            return answer["data"] if status < 400 else answer["error"]

    async def running(self) -> str:
        placed = await self.ask("POST", "/calls", 201, CALL)
        await self.house.talking(placed["call_id"])
        return str(placed["call_id"])


@contextlib.asynccontextmanager
async def crm(house: House, who: str = "ada@demo.example") -> AsyncIterator[Crm]:
    async with aiohttp.ClientSession() as session:
        body = {"email": who, "password": who.partition("@")[0] + "-password"}
        token = (await Crm(house, session).ask("POST", "/auth/login", 200, body))["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield Crm(house, session)


async def test_a_call_is_placed_listed_and_over(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with crm(house) as ada:
        contact = await ada.ask("POST", "/contacts", 201, {"name": "Max", "phone": "+49301234567"})
        metadata = {"lead_id": 456, "contact_id": contact["id"], "campaign_id": 101, "ключ": "🦷"}
        wanted = {"agent_id": "reception", "to_number": "+49301234567", "metadata": metadata}
        placed = await ada.ask("POST", "/calls", 201, wanted)
        assert isinstance(placed["id"], int)
        assert (placed["direction"], placed["agent_id"], placed["metadata"]) == ("outbound", "reception", metadata)
        assert placed["status"] in ("ringing", "answered")
        assert (placed["to_number"], placed["from_number"]) == ("+49301234567", "+15550100000")
        ended = await house.ended(placed["call_id"])
        assert ended.call.party_name == "Max"
        [listed] = await ada.ask("GET", "/calls?direction=outbound&status=completed")
        assert (listed["id"], listed["call_id"], listed["status"]) == (placed["id"], placed["call_id"], "completed")
        for named in (placed["id"], placed["call_id"]):
            assert (await ada.ask("GET", f"/calls/{named}"))["call_id"] == placed["call_id"]
        activities = await ada.ask("GET", f"/contacts/{contact['id']}/activities")
        assert [row["call_id"] for row in activities] == [placed["call_id"]]
        async with crm(house, "bob@other.example") as bob:
            assert await bob.ask("GET", "/calls") == []
            for path, method in ((f"/calls/{placed['id']}", "GET"), (f"/calls/{placed['id']}/hangup", "POST")):
                assert (await bob.ask(method, path, 404))["code"] == "RESOURCE_NOT_FOUND"
            body = {"extension": "2001", "transfer_type": "blind"}
            foreign = await bob.ask("PUT", f"/calls/{placed['call_id']}/transfer", 404, body)
            assert foreign["code"] == "RESOURCE_NOT_FOUND"


async def test_what_is_refused(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with crm(house) as ada:
        for body, field in (
            ({"agent_id": "reception"}, "to_number"),
            ({"to_number": SILENT}, "agent_id"),
            (CALL | {"to_number": "alice"}, "to_number"),
            (CALL | {"from_number": "x"}, "from_number"),
            (CALL | {"metadata": []}, "metadata"),
        ):
            error = await ada.ask("POST", "/calls", 400, body)
            assert (error["code"], error["details"]["field"]) == ("VALIDATION_ERROR", field)
        for agent in ("elsewhere", "agent_none", 999, "٣"):
            assert (await ada.ask("POST", "/calls", 404, CALL | {"agent_id": agent}))["code"] == "RESOURCE_NOT_FOUND"
        assert await ada.ask("GET", "/calls") == []


async def test_without_a_carrier_it_is_said_so(serve: Serve) -> None:
    house = await serve(carrier=CarrierSettings(kind="none"))
    async with crm(house) as ada:
        assert (await ada.ask("POST", "/calls", 503, CALL))["code"] == "SERVICE_UNAVAILABLE"


async def test_a_call_rings_and_is_not_wanted_any_more(serve: Serve) -> None:
    slow = msgspec.structs.replace(SIMULATED, simulated=SimulatedCarrierSettings(ring_ms=60_000))
    house = await serve(carrier=slow)
    async with crm(house) as ada:
        placed = await ada.ask("POST", "/calls", 201, CALL)
        assert [row["id"] for row in await ada.ask("GET", "/calls?status=ringing")] == [placed["id"]]
        refused = await ada.ask("PUT", f"/calls/{placed['id']}/transfer", 400, {"extension": "2001"})
        assert refused["code"] == "VALIDATION_ERROR"
        ended = await ada.ask("POST", f"/calls/{placed['id']}/hangup")
        assert (ended["status"], ended["duration"]) == ("failed", 0)
        assert (await ada.ask("POST", f"/calls/{placed['id']}/hangup", 400))["code"] == "VALIDATION_ERROR"
        assert await ada.ask("GET", "/calls?status=ringing") == []


async def test_a_running_call_is_handed_on_in_three_ways(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with crm(house) as ada:
        for kind, status in (("blind", "transferred"), ("conference", "transferred"), ("attended", "ringing")):
            call_id = await ada.running()
            assert call_id in [row["call_id"] for row in await ada.ask("GET", "/calls?status=answered")]
            path = f"/calls/{call_id}/transfer"
            for wrong, field in (
                ({"extension": "2001", "transfer_type": "warm"}, "transfer_type"),
                ({"transfer_type": kind}, "extension"),
                ({"extension": "nobody", "transfer_type": kind}, "extension"),
            ):
                assert (await ada.ask("PUT", path, 400, wrong))["details"]["field"] == field
            done = await ada.ask("PUT", path, 200, {"extension": "2001", "transfer_type": kind})
            assert done == {"call_id": call_id, "extension": "2001", "transfer_type": kind, "status": status}
            ended = await house.ended(call_id)
            assert ended.call.end_reason is EndReason.TRANSFERRED
            noted = [event.data for event in ended.events if event.kind == EventKind.TRANSFER]
            assert noted[0]["kind"] == kind


async def test_hanging_up_a_conversation(serve: Serve) -> None:
    house = await serve(carrier=SIMULATED)
    async with crm(house) as ada:
        call_id = await ada.running()
        await ada.ask("POST", f"/calls/{call_id}/hangup")
        ended = await house.ended(call_id)
        assert ended.call.end_reason is EndReason.AGENT_HANGUP

        async def listed() -> bool:
            return (await ada.ask("GET", f"/calls/{call_id}"))["status"] == "completed"

        await eventually(listed)

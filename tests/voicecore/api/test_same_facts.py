"""The five documents tell the same of a call, each in its own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from api_server import Server

from voicecore.services.seed_format import (
    SeedAnalysis,
    SeedAppointment,
    SeedCall,
    SeedFile,
    SeedOrganization,
    SeedTurn,
)
from voicecore.services.seeding import Seeder

WHO = {"email": "ada@one.example", "password": "ada-password"}
BASES = {
    "portal": "/api/v2/portal",
    "dashboard": "/dashboard/api",
    "receptionist": "/receptionist/api",
    "crm": "/crm/api",
}
ELSEWHERE = "https://storage.example.com/call-123.wav"


class Reader:
    """Somebody with an account on all surfaces."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tokens: dict[str, str] = {}

    async def get(self, surface: str, path: str) -> Any:
        base = BASES.get(surface, "/api/v1")
        if surface == "native":
            headers = await self._server.headers()
        else:
            if surface not in self._tokens:
                response = await self._server.client.post(f"{base}/auth/login", json=WHO)
                body = await response.json()
                self._tokens[surface] = body.get("token") or body["data"]["access_token"]
            headers = {"Authorization": f"Bearer {self._tokens[surface]}"}
        response = await self._server.client.get(base + path, headers=headers)
        assert response.status == 200, await response.text()
        return await response.json()


async def test_what_is_known_of_a_call_is_known_everywhere(server: Server) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    made = SeedAnalysis(summary="Max booked a check-up.", intent="book_appointment", sentiment="positive")
    held = SeedCall(
        id="held", started_at=begin, waited_s=4, duration_s=60, from_number="+49301234567", agent="agent_1",
        turns=(SeedTurn(caller="A check-up, please", agent="It is booked"),), analysis=made,
    )  # fmt: skip
    noted = SeedCall(
        id="noted", started_at=begin + timedelta(hours=1), duration_s=9, from_number="+4930555", agent="agent_1",
        transcript="Hello\nCustomer: Anybody?\nAgent: Yes: me", recording_url=ELSEWHERE,
    )  # fmt: skip
    booked = SeedAppointment(
        id="apt_new", resource="chair_1", start=begin + timedelta(days=9), minutes=30, service="Check-up", call="held"
    )
    one = SeedOrganization(
        id="org_one", name="One Dental", timezone="Europe/Berlin", calls=(held, noted), appointments=(booked,),
    )  # fmt: skip
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(one,)), source="test")
    reader = Reader(server)
    told = (await reader.get("portal", "/calls"))["data"][:2]
    listed = (await reader.get("dashboard", "/webhook-calls"))[:2]
    received = (await reader.get("receptionist", "/calls"))["calls"][:2]
    native = [await reader.get("native", f"/calls/{call_id}") for call_id in ("noted", "held")]
    uids = [call["uuid"] for call in told]
    assert uids == [call["id"] for call in listed] == [call["id"] for call in received]
    details = [(await reader.get("receptionist", f"/calls/{uid}"))["call"] for uid in uids]

    assert [call["customer_name"] for call in listed] == ["", "Max"]
    assert [call["caller_name"] for call in received] == [call["caller_name"] for call in details] == [None, "Max"]
    assert details[1]["notes"] == told[1]["summary"] == listed[1]["call_summary"] == made.summary
    urls = {told[0]["recording_url"], listed[0]["recording_url"], details[0]["recording_url"]}
    assert urls | {native[0]["recording_url"]} == {ELSEWHERE}
    assert (await reader.get("native", "/calls"))["items"][0]["recording_url"] == ELSEWHERE
    said = [(message["role"], message["content"]) for message in native[0]["transcript"]["messages"]]
    assert said == [("customer", "Hello"), ("customer", "Anybody?"), ("agent", "Yes: me")]

    timeline = (await reader.get("portal", f"/calls/{uids[1]}"))["timeline"]
    ended = (begin + timedelta(seconds=64)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [(event["event"], event["timestamp"]) for event in timeline[2:]] == [
        ("appointment_requested", ended),
        ("appointment_booked", ended),
        ("call_ended", ended),
    ]
    assert native[1]["appointments"][0]["created_at"] == ended


async def test_what_others_report_has_waited_for_nothing(server: Server) -> None:
    reader = Reader(server)
    client = (await reader.get("receptionist", "/clients"))["clients"][0]["id"]
    report = {"client_id": client, "caller_phone": "+49301234567", "duration_seconds": 600}
    response = await server.client.post("/receptionist/api/calls", json=report)
    assert response.status == 201
    uid = (await response.json())["call"]["id"]
    assert (await reader.get("crm", "/telephony/analytics?period_type=daily"))["data"]["average_wait_time"] == 0
    call = (await reader.get("receptionist", f"/calls/{uid}"))["call"]
    assert (call["caller_name"], call["notes"]) == (None, None)  # as it was reported
    events = [event["event"] for event in (await reader.get("portal", f"/calls/{uid}"))["timeline"]]
    assert events == ["call_started", "call_answered", "call_ended"]


async def test_held_to_the_end_is_answered(server: Server) -> None:
    """A call that broke off is a failed one, and no document counts it as answered."""
    reader = Reader(server)
    listed = (await reader.get("crm", "/calls?status=completed"))["meta"]["total"]
    center = (await reader.get("crm", "/telephony/analytics"))["data"]
    summary = await reader.get("dashboard", "/dashboard-summary")
    assert center["answered_calls"] == summary["answeredCalls"] == listed == 1
    assert center["abandoned_calls"] == summary["missedCalls"] == 2
    assert center["average_talk_time"] == 180

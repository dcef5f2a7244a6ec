"""Finished calls on their way to the CRMs: what arrives, when, once, and what the log says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import Start
from crm_house import CALLER, KINDS, CrmHouse, emulators, house_of, settings
from dashboard_desk import login

from benchmarks.emulators.base import Fault
from pipelines.events import EndReason
from voicecore.domain import instants
from voicecore.services.attempts import BACK_OFF_S
from voicecore.storage import sync_logs

SPELLED = "+49 (170) 111-1111"  # the caller's number, as somebody typed it


@pytest.fixture
async def house(start: Start, tmp_path: Path) -> AsyncIterator[CrmHouse]:
    (tmp_path / "app-secret").write_text("app-secret\n")
    async with emulators() as vendors:
        server = await start(integrations=settings(vendors, f"file:{tmp_path / 'app-secret'}"))
        async with house_of(server, vendors) as made:
            yield made


def activities(house: CrmHouse, kind: str) -> list[Any]:
    rows = house.vendor(kind).rows
    if kind == "dynamics":
        return list(rows["phonecalls"].items())
    return list(rows["Task" if kind == "salesforce" else "calls"])


def persons(house: CrmHouse, kind: str) -> list[Any]:
    rows = house.vendor(kind).rows
    if kind == "salesforce":
        return rows["Contact"] + rows["Lead"]
    return list(rows["contacts"]) if kind == "hubspot" else [*rows["contacts"], *rows["leads"]]


async def test_a_call_becomes_a_lead_and_a_task_in_salesforce(house: CrmHouse) -> None:
    await house.connect("salesforce")
    call_uid = await house.call()
    [pending] = await house.logs("salesforce")
    assert (pending["status"], pending["lead_id"]) == ("pending", None)
    await house.push()
    vendor = house.vendor("salesforce")
    [lead], [task] = vendor.rows["Lead"], vendor.rows["Task"]
    assert (lead["LastName"], lead["Phone"], lead["Company"]) == (CALLER, CALLER, CALLER)
    assert (task["WhoId"], task["Status"], task["CallType"]) == (lead["Id"], "Completed", "Inbound")
    assert "Customer: I want to book\nAgent: Hello Straße 🦷" in task["Description"]
    assert (task["CallObject"], task["TaskSubtype"]) == (call_uid, "Call")
    [log] = await house.logs("salesforce")
    assert set(log) == {"id", "call_id", "status", "phone_number", "lead_id", "created_at"}
    assert (log["call_id"], log["status"], log["phone_number"]) == (call_uid, "success", CALLER)
    assert (log["lead_id"], type(log["created_at"])) == (lead["Id"], int)


async def test_a_call_becomes_a_contact_and_an_engagement_in_hubspot(house: CrmHouse) -> None:
    await house.connect("hubspot")
    call_uid = await house.call()
    await house.push()
    vendor = house.vendor("hubspot")
    [contact], [call] = vendor.rows["contacts"], vendor.rows["calls"]
    assert (contact["properties"]["lastname"], contact["properties"]["phone"]) == (CALLER, CALLER)
    assert call["associations"][0]["to"]["id"] == contact["id"]
    told = call["properties"]
    assert (told["hs_call_direction"], told["hs_call_status"]) == ("INBOUND", "COMPLETED")
    assert (told["hs_call_from_number"], told["hs_call_to_number"]) == (CALLER, "+49309876543")
    [log] = await house.logs("hubspot")
    assert set(log) == {"id", "call_id", "status", "phone_number", "contact_id", "engagement_id", "created_at"}
    assert (log["call_id"], log["status"]) == (call_uid, "success")
    assert (log["contact_id"], log["engagement_id"]) == (contact["id"], call["id"])


async def test_a_call_becomes_a_lead_and_a_phone_call_in_dynamics(house: CrmHouse) -> None:
    await house.connect("dynamics")
    call_uid = await house.call()
    await house.push()
    vendor = house.vendor("dynamics")
    [(lead_id, lead)], [(activity_id, activity)] = vendor.rows["leads"].items(), vendor.rows["phonecalls"].items()
    assert (lead["lastname"], lead["telephone1"]) == (CALLER, CALLER)
    assert activity["regardingobjectid_lead_phonecall@odata.bind"] == f"/leads({lead_id})"
    assert (activity["statecode"], activity["statuscode"], activity["directioncode"]) == (1, 4, False)
    [log] = await house.logs("dynamics")
    assert log.pop("created_at") > 1_700_000_000
    assert log == {
        "id": log["id"],
        "call_id": call_uid,
        "status": "success",
        "phone_number": CALLER,
        "dynamics_record_id": lead_id,
        "dynamics_activity_id": activity_id,
        "lead_created": True,
    }


async def test_somebody_who_is_known_is_found_however_his_number_is_written(house: CrmHouse) -> None:
    for kind in KINDS:
        await house.connect(kind)
    salesforce, hubspot, dynamics = (house.vendor(kind) for kind in KINDS)
    salesforce.add("Lead", LastName="Stranger", Phone="+1 170 111 1111")  # the same end, another country
    salesforce.add("Lead", LastName="Old", Phone=SPELLED, IsConverted=True)
    known = salesforce.add("Contact", LastName="Known", MobilePhone=SPELLED)
    hubspot.add("contacts", lastname="Stranger", phone="+1 170 111 1111")
    hubspot_known = hubspot.add("contacts", lastname="Known", mobilephone=SPELLED)
    dynamics.add("contacts", lastname="Gone", telephone1=SPELLED, statecode=1)
    lead = dynamics.add("leads", lastname="Known", telephone1=SPELLED)
    await house.call()
    await house.push()
    assert [log["lead_id"] for log in await house.logs("salesforce")] == [known]
    assert [log["contact_id"] for log in await house.logs("hubspot")] == [hubspot_known]
    [log] = await house.logs("dynamics")
    assert (log["dynamics_record_id"], log["lead_created"]) == (lead, False)


@pytest.mark.parametrize("kind", KINDS)
async def test_when_every_answer_is_lost_nothing_is_made_twice(house: CrmHouse, kind: str) -> None:
    await house.connect(kind)
    await house.call()
    await house.push()
    await house.call()
    house.vendor(kind).fault = Fault.CUT  # what is asked is done, and nobody hears of it
    for _ in range(6):
        await house.push()
    house.vendor(kind).fault = Fault.NONE
    await house.push()
    assert [log["status"] for log in await house.logs(kind)] == ["success", "success"]
    assert (len(persons(house, kind)), len(activities(house, kind))) == (1, 2)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_activity_whose_answer_was_lost_is_found_again(
    house: CrmHouse, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.connect(kind)
    courier, vendor = house.server.dealings.crm.courier, house.vendor(kind)
    known = courier._sync.known

    async def known_and_cut(*given: Any) -> None:
        await known(*given)
        vendor.fault = Fault.CUT  # from the activity on

    monkeypatch.setattr(courier._sync, "known", known_and_cut)
    await house.call()
    await house.push()
    assert [log["status"] for log in await house.logs(kind)] == ["pending"]
    assert len(activities(house, kind)) == 1
    vendor.fault = Fault.NONE
    await house.push()
    assert [log["status"] for log in await house.logs(kind)] == ["success"]
    assert (len(persons(house, kind)), len(activities(house, kind))) == (1, 1)


async def test_two_calls_of_one_unknown_caller_make_him_once(house: CrmHouse) -> None:
    """Also while the vendor's search does not know him yet."""
    await house.connect("hubspot")
    house.vendor("hubspot").indexes = False
    for _ in range(3):
        await house.call()
    await house.push()
    await house.call()
    await house.push()
    assert len(persons(house, "hubspot")) == 1
    assert len(activities(house, "hubspot")) == 4
    assert len({log["contact_id"] for log in await house.logs("hubspot")}) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_an_expired_token_is_renewed_and_the_call_sent(house: CrmHouse, kind: str) -> None:
    await house.connect(kind)
    vendor = house.vendor(kind)
    vendor.expire()
    vendor.rotates = True
    for number in range(3):
        await house.call(f"+4917022222{number}0")
    await house.push()
    assert [log["status"] for log in await house.logs(kind)] == ["success"] * 3
    assert vendor.refreshes == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_permission_that_was_taken_back_ends_the_connection(house: CrmHouse, kind: str) -> None:
    await house.connect(kind)
    await house.call()
    await house.call()
    house.vendor(kind).withdraw()
    await house.push()
    assert [log["status"] for log in await house.logs(kind)] == ["error", "error"]
    assert not await house.connected(kind)
    await house.call()
    assert len(await house.logs(kind)) == 2  # nothing waits for a connection that is over
    await house.connect(kind)
    failed = (await house.logs(kind))[0]
    again = await house.board.ask("POST", f"/{kind}/sync-logs/{failed['id']}/redeliver")
    assert again["status"] == "pending"
    await house.push(at_once=False)
    assert (await house.logs(kind))[0]["status"] == "success"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.MALFORMED])
async def test_a_moments_trouble_is_waited_out(house: CrmHouse, kind: str, fault: Fault) -> None:
    await house.connect(kind)
    await house.call()
    vendor = house.vendor(kind)
    vendor.fault = fault
    before = instants.now()
    await house.push()
    [log] = await house.logs(kind)
    assert log["status"] == "pending"
    async with house.server.database.read() as connection:
        assert not await sync_logs.queue.any_due(connection, before)
    vendor.fault = Fault.NONE
    asked = len(vendor.requests)
    await house.push(at_once=False)  # not before its time
    assert len(vendor.requests) == asked
    await house.push()
    assert (await house.logs(kind))[0]["status"] == "success"


async def test_a_vendor_says_when_he_wants_to_be_asked_again(house: CrmHouse) -> None:
    await house.connect("dynamics")
    await house.call()
    vendor = house.vendor("dynamics")
    vendor.fault, vendor.retry_after_s = Fault.RATE_LIMIT, 3600
    assert BACK_OFF_S[0] < 3600
    before = instants.now()
    await house.push()
    async with house.server.database.read() as connection:
        assert not await sync_logs.queue.any_due(connection, before + timedelta(seconds=3590))
        assert await sync_logs.queue.any_due(connection, before + timedelta(seconds=3660))


async def test_it_is_given_up_in_the_end(house: CrmHouse) -> None:
    await house.connect("hubspot")
    await house.call()
    house.vendor("hubspot").fault = Fault.SERVER_ERROR
    for _ in range(len(BACK_OFF_S)):
        await house.push()
        assert [log["status"] for log in await house.logs("hubspot")] == ["pending"]
    await house.push()
    assert [log["status"] for log in await house.logs("hubspot")] == ["error"]


async def test_what_a_vendor_will_never_take_is_given_up_at_once(house: CrmHouse) -> None:
    await house.connect("hubspot")
    vendor = house.vendor("hubspot")
    await house.call()

    async def refuse(request: Any) -> Any:
        return vendor.api_error(400, "VALIDATION_ERROR", "Property values were not valid")

    vendor._refused = refuse
    await house.push()
    assert [log["status"] for log in await house.logs("hubspot")] == ["error"]
    [log] = await house.logs("hubspot")
    detail = await house.board.get(f"/hubspot/sync-logs/{log['id']}")
    assert detail["error"] == "400 VALIDATION_ERROR: Property values were not valid"
    assert (detail["attempts"], detail["next_attempt_at"], detail["record_id"]) == (1, None, None)
    await house.board.ask("GET", f"/salesforce/sync-logs/{log['id']}", 404)


async def test_only_calls_of_somebody_and_only_while_connected(house: CrmHouse) -> None:
    await house.call()  # before
    await house.connect("hubspot")
    await house.call("client:alice")
    assert await house.logs("hubspot") == []
    await house.call("+491702222222", reason=EndReason.PIPELINE_FAILED)
    await house.call("+491703333333")
    bob = await login(house.server, "bob@two.example")
    assert await bob.get("/hubspot/sync-logs") == []
    logs = await house.logs("hubspot")
    assert [log["phone_number"] for log in logs] == ["+491703333333", "+491702222222"]  # newest first
    assert [log["id"] for log in await house.board.get("/hubspot/sync-logs", limit=1, offset=1)] == [logs[1]["id"]]
    await bob.ask("POST", f"/hubspot/sync-logs/{logs[0]['id']}/redeliver", 404)
    await house.board.ask("POST", f"/salesforce/sync-logs/{logs[0]['id']}/redeliver", 404)
    await house.board.ask("GET", "/hubspot/sync-logs?limit=0", 400)
    await house.board.ask("DELETE", "/hubspot/disconnect")
    assert [log["status"] for log in await house.logs("hubspot")] == ["error", "error"]
    await house.push()
    assert house.vendor("hubspot").rows["calls"] == []
    assert await house.errors() == ["disconnected", "disconnected"]


async def test_a_call_that_others_held_is_filed_too(house: CrmHouse) -> None:
    await house.connect("dynamics")
    async with house.server.database.read() as connection:
        query = sa.text(
            "SELECT b.uid FROM businesses b JOIN organizations o ON o.uid = b.organization_uid"
            " WHERE o.external_id = 'org_one'"
        )
        business = str((await connection.execute(query)).scalars().first())
    reported = {
        "client_id": business,
        "caller_phone": "+49 170 1111111",
        "caller_name": "Anna Maria Groß",
        "duration_seconds": 90,
        "transcript": "Customer: Hello",
        "notes": "She asked for an offer.",
    }
    response = await house.server.client.post("/receptionist/api/calls", json=reported)
    assert response.status == 201, await response.text()
    await house.push()
    [lead] = house.vendor("dynamics").rows["leads"].values()
    assert (lead["firstname"], lead["lastname"]) == ("Anna Maria", "Groß")
    [activity] = house.vendor("dynamics").rows["phonecalls"].values()
    assert activity["description"] == "She asked for an offer.\n\nCustomer: Hello"
    assert activity["actualdurationminutes"] == 2


async def test_what_is_known_soon_after_the_end_is_waited_for(house: CrmHouse) -> None:
    await house.connect("hubspot")
    await house.call()
    await house.push(at_once=False)
    assert [log["status"] for log in await house.logs("hubspot")] == ["pending"]
    async with house.server.database.read() as connection:
        assert await sync_logs.queue.any_due(connection, instants.now() + sync_logs.PATIENCE)


async def test_a_person_who_is_forgotten_is_forgotten_here_too(house: CrmHouse) -> None:
    await house.connect("hubspot")
    await house.call()
    await house.push()
    call_uid = await house.call()
    headers = await house.server.headers()
    customer = {"name": "Max", "phone": CALLER}
    await house.server.client.put("/api/v1/crm/customers/cust_7", headers=headers, json=customer)
    request = {"customer_id": "cust_7", "anonymize": True, "keep_statistics": True}
    response = await house.server.client.post("/api/v1/gdpr/delete", headers=headers, json=request)
    assert response.status == 200, await response.text()
    logs = await house.logs("hubspot")
    assert [(log["phone_number"], log["status"]) for log in logs] == [("", "error"), ("", "success")]
    assert logs[0]["call_id"] == call_uid


async def test_two_processes_send_a_call_once(house: CrmHouse) -> None:
    await house.connect("hubspot")
    for number in range(5):
        await house.call(f"+49170444444{number}")
    await house.make_due()
    courier = house.server.dealings.crm.courier
    await asyncio.gather(courier.step(), courier.step())
    await courier.idle()
    assert len(activities(house, "hubspot")) == 5

"""Document 003, lists of calls and the figures of the call centre."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from api_server import Server
from crm_desk import BOB, Crm, login

from pipelines.errors import ValidationError
from voicecore.api.crm.analytics import AnalyticsQuery, _span
from voicecore.domain import instants
from voicecore.services.seed_format import SeedAgent, SeedCall, SeedCompany, SeedFile, SeedOrganization
from voicecore.services.seeding import Seeder

BERLIN = ZoneInfo("Europe/Berlin")


async def ids(crm: Crm, **query: Any) -> list[str]:
    return [row["call_id"] for row in (await crm.get("/calls", **query))["data"]]


async def test_calls_are_listed_newest_first(server: Server) -> None:
    crm = await login(server)
    answer = await crm.get("/calls")
    assert answer["meta"] == {"page": 1, "per_page": 20, "total": 3, "total_pages": 1}
    assert [row["call_id"] for row in answer["data"]] == ["call_3", "call_2", "call_1"]
    call = answer["data"][2]
    assert isinstance(call["id"], int)
    assert (call["status"], call["direction"], call["agent_id"]) == ("completed", "inbound", "agent_1")
    assert (call["from_number"], call["to_number"]) == ("+49 30 1234567", "+49 30 9876543")
    assert (call["duration"], call["created_at"]) == (180, "2026-01-20T15:00:00Z")
    assert call["metadata"] == {"customer_id": "cust_789", "ключ": "значение 🦷"}
    second = await crm.get("/calls", page=2, per_page=2)
    assert [row["call_id"] for row in second["data"]] == ["call_1"]
    assert second["meta"] == {"page": 2, "per_page": 2, "total": 3, "total_pages": 2}
    assert await ids(await login(server, BOB)) == ["call_9"]


async def test_filters_of_the_list(server: Server) -> None:
    crm = await login(server)
    seq = (await server.agents.listing(await organization_uid(server)))[0].seq
    for query, expected in (
        ({"status": "completed"}, ["call_1"]),
        ({"status": "failed"}, ["call_3", "call_2"]),
        ({"status": "ringing"}, []),
        ({"status": "answered"}, []),
        ({"direction": "inbound"}, ["call_3", "call_1"]),
        ({"direction": "outbound"}, ["call_2"]),
        ({"direction": "internal"}, []),
        ({"agent_id": "agent_1"}, ["call_2", "call_1"]),
        ({"agent_id": seq}, ["call_2", "call_1"]),
        ({"agent_id": 999999}, []),
        ({"agent_id": "nobody"}, []),
        ({"start_date": "2026-01-21"}, ["call_3", "call_2"]),  # call_2 began after midnight in Berlin
        ({"end_date": "2026-01-20"}, ["call_1"]),
        ({"end_date": "2026-01-20T15:00:00Z"}, ["call_1"]),  # its own second is included, as it is shown
        ({"start_date": "2026-01-21", "end_date": "2026-01-21"}, ["call_2"]),
        ({"start_date": "2026-01-20T23:00:00Z", "direction": "inbound"}, ["call_3"]),
    ):
        assert await ids(crm, **query) == expected, query
    for query in ({"status": "busy"}, {"direction": "up"}, {"start_date": "soon"}, {"end_date": "2026-02-30"}):
        error = await crm.refused("GET", "/calls", 400, "VALIDATION_ERROR", params=query)
        assert error["details"]["field"] in query


async def test_an_agents_number_is_that_of_its_id_before_its_count(server: Server) -> None:
    agents = tuple(SeedAgent(id=name, name=name) for name in ("agent_777", "agent_1x"))
    calls = _calls("of_777", "agent_777", [1], [5])
    one = SeedOrganization(id="org_one", name="One Dental", timezone="Europe/Berlin", agents=agents, calls=tuple(calls))
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(one,)), source="test")
    crm = await login(server)
    for given in (777, "agent_777"):
        assert await ids(crm, agent_id=given) == ["of_777_0"]
    assert await ids(crm, agent_id=1) == ["call_2", "call_1"]


async def organization_uid(server: Server) -> str:
    return (await server.accounts.authenticate((await login(server)).token or "", "crm")).organization_uid


async def test_an_internal_call_has_its_own_word(server: Server) -> None:
    call = SeedCall(id="call_internal", started_at=instants.now(), duration_s=5, direction="internal")
    one = SeedOrganization(id="org_one", name="One Dental", timezone="Europe/Berlin", calls=(call,))
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(one,)), source="test")
    assert await ids(await login(server), direction="internal") == ["call_internal"]


def _calls(prefix: str, agent: str, waits: list[float], talks: list[float]) -> list[SeedCall]:
    begin = instants.parse("2026-03-02T10:00:00Z", BERLIN)
    return [
        SeedCall(
            id=f"{prefix}_{index}",
            agent=agent,
            started_at=begin + timedelta(minutes=index),
            waited_s=wait,
            duration_s=talk,
        )
        for index, (wait, talk) in enumerate(zip(waits, talks, strict=True))
    ]


async def test_the_call_centres_figures(server: Server) -> None:
    crm, bob = await login(server), await login(server, BOB)
    sales = SeedAgent(id="sales", name="Sales", company=SeedCompany(name="sales_queue"))
    calls = _calls("sale", "sales", [10, 20, 30, 60], [100, 200, 300, 0]) + _calls("main", "agent_1", [2, 30], [60, 0])
    one = SeedOrganization(
        id="org_one", name="One Dental", timezone="Europe/Berlin", agents=(sales,), calls=tuple(calls)
    )
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(one,)), source="test")
    span = {"start_date": "2026-03-02", "end_date": "2026-03-02"}
    data = (await crm.get("/telephony/analytics", period_type="daily", **span))["data"]
    assert data == {
        "total_calls": 6,
        "answered_calls": 4,
        "abandoned_calls": 2,
        "average_wait_time": 15.5,
        "average_talk_time": 165.0,
        "service_level": 0.67,
        "agent_utilization": round(660 / (2 * 86400), 4),
        "queue_performance": {
            "One Dental": {"calls": 2, "answered": 1, "avg_wait": 2.0, "service_level": 0.5},
            "sales_queue": {"calls": 4, "answered": 3, "avg_wait": 20.0, "service_level": 0.75},
        },
    }
    everything = (await crm.get("/telephony/analytics"))["data"]
    assert everything["total_calls"] == everything["answered_calls"] + everything["abandoned_calls"] == 9
    assert 0 <= everything["agent_utilization"] <= 1
    assert (await bob.get("/telephony/analytics"))["data"]["total_calls"] == 1
    before = (await crm.get("/telephony/analytics", end_date="2020-01-01"))["data"]
    assert before == {
        "total_calls": 0,
        "answered_calls": 0,
        "abandoned_calls": 0,
        "average_wait_time": 0.0,
        "average_talk_time": 0.0,
        "service_level": 0.0,
        "agent_utilization": 0.0,
        "queue_performance": {},
    }
    for query in (
        {"period_type": "yearly"},
        {"start_date": "x"},
        {"start_date": "2026-03-02", "end_date": "2026-03-01"},
    ):
        error = await crm.refused("GET", "/telephony/analytics", 400, "VALIDATION_ERROR", params=query)
        assert error["details"]["field"] in query


@pytest.mark.parametrize(
    ("period", "dates", "begin", "end"),
    [
        ("daily", {}, "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),  # a day of 23 hours
        ("weekly", {}, "2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        ("monthly", {}, "2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"),
        ("quarterly", {}, "2026-01-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"),
        ("monthly", {"start_date": "2026-01-31"}, "2026-01-31T00:00:00+01:00", "2026-02-28T00:00:00+01:00"),
        ("quarterly", {"start_date": "2025-12-01"}, "2025-12-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00"),
        ("weekly", {"end_date": "2026-03-31"}, "2026-03-25T00:00:00+01:00", "2026-04-01T00:00:00+02:00"),
        ("daily", {"start_date": "2026-01-01", "end_date": "2026-01-31"}, "2026-01-01T00:00:00+01:00",
         "2026-02-01T00:00:00+01:00"),
    ],
)  # fmt: skip
def test_periods_follow_the_wall_clock(period: Any, dates: dict[str, str], begin: str, end: str) -> None:
    now = datetime.fromisoformat("2026-03-29T12:00:00+02:00")
    found = _span(AnalyticsQuery(period_type=period, **dates), BERLIN, now)
    assert found == (datetime.fromisoformat(begin), datetime.fromisoformat(end))
    assert _span(AnalyticsQuery(), BERLIN, now) == (None, None)
    with pytest.raises(ValidationError):
        _span(msgspec.convert({"start_date": "2026-02-01", "end_date": "2026-01-01"}, AnalyticsQuery), BERLIN, now)

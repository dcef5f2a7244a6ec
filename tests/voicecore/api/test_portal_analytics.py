"""Document 000: the home page, figures of a time, and reports of them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from api_server import Server
from portal_company import seeded
from portal_member import Member, hired
from yarl import URL

from voicecore.services.seed_format import SeedAppointment, SeedCall, SeedFile, SeedOrganization
from voicecore.services.seeding import Seeder

JANUARY = {"period": "custom", "date_from": "2026-01-01", "date_to": "2026-01-31"}


async def overview(member: Member, **query: Any) -> dict[str, Any]:
    body: dict[str, Any] = await member.get("/analytics/overview", **query)
    return body


async def test_the_overview_of_a_custom_period(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    body = await overview(boss, **JANUARY)
    assert set(body) == {"period", "summary", "charts"}
    assert body["summary"] == {
        "total_calls": 4,
        "total_appointments": 6,
        "conversion_rate": 150.0,
        "average_call_duration": 62.85,
        "total_revenue": 350.75,
        "average_appointment_value": 58.46,
    }
    charts = body["charts"]
    assert set(charts) == {"calls_timeline", "appointments_by_service", "revenue_by_branch", "peak_hours"}
    days = {day["date"]: day["calls"] for day in charts["calls_timeline"]}
    assert len(days) == 31
    assert {day: calls for day, calls in days.items() if calls} == {
        "2026-01-10": 1,
        "2026-01-11": 1,
        "2026-01-12": 2,
    }
    assert [(row["name"], row["count"], row["revenue"]) for row in charts["appointments_by_service"]] == [
        ("Dental Cleaning", 4, 160.0),
        ("Something else", 1, 70.25),
        ("Whitening", 1, 120.5),
    ]
    assert [(row["name"], row["revenue"]) for row in charts["revenue_by_branch"]] == [
        ("ACME Corp", 280.5),
        ("ACME West", 70.25),
    ]
    hours = {row["hour"]: row["calls"] for row in charts["peak_hours"] if row["calls"]}
    assert hours == {0: 1, 9: 1, 11: 1, 23: 1}
    assert len(charts["peak_hours"]) == 24
    west = charts["revenue_by_branch"][1]["id"]
    only = (await overview(boss, **JANUARY, branch_id=west))["summary"]
    assert (only["total_calls"], only["total_appointments"], only["total_revenue"]) == (1, 1, 70.25)
    theirs = await overview(eve, **JANUARY)
    assert theirs["summary"]["total_calls"] == 1
    assert [row["hour"] for row in theirs["charts"]["peak_hours"] if row["calls"]] == [16]  # half past ten by UTC
    foreign = (await overview(eve, **JANUARY, branch_id=west))["summary"]
    assert foreign["total_calls"] == foreign["total_appointments"] == foreign["total_revenue"] == 0


async def test_a_custom_period_needs_both_dates(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    for query, fields in (
        ({"period": "custom"}, {"date_from", "date_to"}),
        ({"period": "custom", "date_from": "2026-01-01"}, {"date_to"}),
        ({"period": "custom", "date_to": "2026-01-01"}, {"date_from"}),
        ({"period": "custom", "date_from": "2026-01-02", "date_to": "2026-01-01"}, {"date_to"}),
        ({"period": "custom", "date_from": "1950-01-02", "date_to": "2026-01-01"}, {"date_to"}),
        ({"period": "custom", "date_from": "x", "date_to": "2026-01-01"}, {"date_from"}),
        ({"period": "decade"}, {"period"}),
        ({"compare": "perhaps"}, {"compare"}),
        ({"branch_id": "x"}, {"branch_id"}),
    ):
        for name in ("overview", "calls", "appointments", "revenue"):
            error = await boss.refused("GET", f"/analytics/{name}", 422, params=query)
            assert set(error["details"]) == fields, query
    one_day = await overview(boss, period="custom", date_from="2026-01-12", date_to="2026-01-12")
    assert one_day["summary"]["total_calls"] == 2  # the whole of its only day


async def test_comparing_adds_the_change(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    query = {"period": "custom", "date_from": "2026-01-12", "date_to": "2026-01-13"}
    body = await overview(boss, **query, compare="true")
    # Two calls against two; nothing booked against one appointment of 80 for two calls.
    assert body["comparison"] == {
        "calls_change": 0.0,
        "appointments_change": -100.0,
        "conversion_change": -50.0,
        "revenue_change": -100.0,
    }
    assert "comparison" not in await overview(boss, **query, compare="false")
    february = {"period": "custom", "date_from": "2026-02-01", "date_to": "2026-02-28"}
    empty = await overview(boss, **february, compare="1")
    assert empty["summary"]["conversion_rate"] == empty["summary"]["average_appointment_value"] == 0
    assert empty["comparison"]["calls_change"] == -100.0
    grown = await overview(boss, **JANUARY, compare="true")
    assert grown["comparison"]["calls_change"] == grown["comparison"]["revenue_change"] == 100.0


async def lately(server: Server, days_ago: int, number: int) -> None:
    """Calls that began so many days ago, and one appointment booked in the first."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days_ago, seconds=60)
    calls = tuple(
        SeedCall(id=f"late_{days_ago}_{n}", started_at=at, duration_s=30, from_number="+4930777888")
        for n in range(number)
    )
    booked = SeedAppointment(
        id=f"late_{days_ago}",
        customer="erika",
        resource="jones",
        start=at + timedelta(days=400),
        minutes=60,
        service="Dental Cleaning",
        call=calls[0].id,
        created_at=at,
    )
    acme = SeedOrganization(id="acme", name="ACME Corp", timezone="Europe/Berlin", calls=calls, appointments=(booked,))
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=(acme,)), source="test")


async def test_the_words_for_periods_and_the_home_page(server: Server, tmp_path: Path) -> None:
    boss, eve = await seeded(server, tmp_path)
    await lately(server, 0, 4)
    await lately(server, 35, 2)
    for word in ("today", "week", "month", "quarter", "year", None):
        body = await overview(boss, **({"period": word, "compare": "true"} if word else {}))
        assert min(body["summary"]["total_calls"], body["summary"]["total_revenue"] / 20) >= 4, word
        assert body["period"] == (word or "month")
    assert (await overview(boss, period="today"))["summary"]["conversion_rate"] == 25.0
    home = await boss.get("/dashboard")
    assert home["stats"] == {
        "total_calls": 10,
        "total_appointments": 8,
        "conversion_rate": 80.0,
        "revenue": 510.75,
        "period_comparison": {"calls_change": 100.0, "appointments_change": 0.0, "revenue_change": 0.0},
    }
    assert set(home) == {"stats", "recent_activity", "chart_data", "goals"}
    assert home["goals"] == []
    recent = home["recent_activity"]
    assert len(recent) == 10
    assert set(recent[0]) == {"id", "type", "description", "timestamp", "metadata"}
    assert {one["type"] for one in recent[:5]} == {"call_received", "appointment_created"}
    assert any(one["description"] == "New call from +4930777888" for one in recent)
    assert len({one["id"] for one in recent}) == len(recent)  # calls and appointments are counted apart
    assert [one["timestamp"] for one in recent] == sorted((one["timestamp"] for one in recent), reverse=True)
    charts = home["chart_data"]
    assert len(charts["calls_by_day"]) == 30
    assert sum(day["calls"] for day in charts["calls_by_day"]) == 4
    assert charts["appointments_by_service"][0]["count"] == 6
    assert len(charts["revenue_by_month"]) == 12
    assert set(charts["revenue_by_month"][0]) == {"month", "revenue"}
    assert (await eve.get("/dashboard"))["stats"]["total_calls"] == 1
    viewer = await hired(boss, "viewer@acme.example", permissions=["calls.view"])
    calls = (await viewer.get("/dashboard"))["recent_activity"]
    assert {one["type"] for one in calls} == {"call_received", "call_made"}
    made = next(one for one in calls if one["type"] == "call_made")
    assert made["description"] == "New call to +4930777888"
    assert (await viewer.get(f"/calls/{made['metadata']['call_id']}"))["phone_number"] == "+4930777888"


async def test_days_and_hours_are_those_of_the_clock_when_it_is_changed(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    at = [f"2025-10-{hour}Z" for hour in ("25T21:59:59", "26T00:30:00", "26T01:30:00", "26T22:59:59", "26T23:00:00")]
    rows = "".join(f'      - {{id: "night_{n}", started_at: {one}, duration_s: 5}}\n' for n, one in enumerate(at))
    file = tmp_path / "night.yaml"
    file.write_text(
        f"organizations:\n  - id: acme\n    name: ACME Corp\n    timezone: Europe/Berlin\n    calls:\n{rows}"
    )
    await Seeder(server.database, server.passwords).seed(file)
    body = await overview(boss, period="custom", date_from="2025-10-25", date_to="2025-10-27")
    charts = body["charts"]
    assert [day["calls"] for day in charts["calls_timeline"]] == [1, 3, 1]
    assert {hour["hour"]: hour["calls"] for hour in charts["peak_hours"] if hour["calls"]} == {0: 1, 2: 2, 23: 2}


async def test_more_about_calls_appointments_and_revenue(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    calls = await boss.get("/analytics/calls", **JANUARY)
    assert (calls["completed_calls"], calls["missed_calls"], calls["failed_calls"]) == (2, 1, 1)
    assert calls["by_sentiment"] == {"positive": 1, "neutral": 3, "negative": 0}
    assert {row["name"]: row["count"] for row in calls["by_agent"]} == {
        "dental_assistant": 2,
        "west_assistant": 1,
        "": 1,
    }
    assert calls["total_duration"] == 251
    assert calls["success_rate"] == 50.0
    assert {row["name"] for row in calls["by_intent"]} == {"booking", "unknown"}
    booked = await boss.get("/analytics/appointments", **JANUARY)
    assert booked["by_status"] == {"completed": 4, "cancelled": 1, "no_show": 1}
    assert booked["by_source"] == {"seed": 5, "ai_phone": 1}
    assert (booked["no_show_rate"], booked["cancellation_rate"]) == (16.7, 16.7)
    assert [(row["name"], row["count"]) for row in booked["by_staff"]] == [
        ("Dr. Smith", 4),
        ("Dr. Jones", 1),
        ("Dr. West", 1),
    ]
    money = await boss.get("/analytics/revenue", **JANUARY)
    assert (money["total_revenue"], money["average_appointment_value"]) == (350.75, 58.46)
    assert money["by_month"] == [{"month": "2026-01", "revenue": 350.75}]


async def report(server: Server, member: Member, **body: Any) -> bytes:
    made = await member.ask("POST", "/analytics/export", 200, json={"type": "comprehensive", **JANUARY, **body})
    assert set(made) == {"download_url", "expires_at"}
    response = await server.client.get(str(URL(made["download_url"]).relative()))
    assert response.status == 200
    return await response.read()


async def test_reports_are_files(server: Server, tmp_path: Path) -> None:
    boss, _ = await seeded(server, tmp_path)
    sections = ["summary", "calls", "appointments", "revenue", "goals"]
    pdf = await report(server, boss, format="pdf", sections=sections)
    assert pdf.startswith(b"%PDF-1.4")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"Comprehensive report" in pdf
    assert b"total revenue: 350.75" in pdf
    rows = list(csv.reader(io.StringIO((await report(server, boss, format="csv", sections=["summary"])).decode())))
    assert rows[0] == ["section", "figure", "value"]
    assert ["summary", "total_calls", "4"] in rows
    whole = msgspec.json.decode(await report(server, boss, format="json", sections=["revenue", "goals"]))
    assert list(whole["sections"]) == ["revenue", "goals"]
    assert (whole["date_from"], whole["date_to"]) == ("2026-01-01", "2026-01-31")
    for wrong, field in (
        ({"format": "docx"}, "format"),
        ({"sections": []}, "sections"),
        ({"sections": ["secrets"]}, "sections"),
        ({"period": "custom"}, "date_from"),
    ):
        error = await boss.refused("POST", "/analytics/export", 422, json={"type": "comprehensive", **wrong})
        assert field in [name.partition("[")[0] for name in error["details"]]

"""Document 004: monitoring, analytics, and a customer's rights; deleting him changes no figure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import Server

from voicecore.api.vocaliq.words import z
from voicecore.domain import instants
from voicecore.domain.webhooks import Fact
from voicecore.storage import outbox
from voicecore.storage.schema import metadata

ADA, BOB, DORA = "ada@one.example", "bob@two.example", "dora@one.example"
SPAN = "period=custom&start_date=2026-01-19&end_date=2026-01-25"


async def send(server: Server, method: str, path: str, body: Any = None, who: str = ADA) -> tuple[int, Any]:
    headers = await server.headers(who)
    response = await server.client.request(method, f"/api/v1/{path}", headers=headers, json=body)
    return response.status, await response.json()


async def test_metrics_have_all_figures(server: Server) -> None:
    status, body = await send(server, "GET", "monitoring/metrics")
    assert status == 200
    assert {name: set(part) for name, part in body.items()} == {
        "system": {"cpu_usage", "memory_usage", "disk_usage", "active_calls", "queued_calls"},
        "performance": {"avg_response_time", "stt_latency", "tts_latency", "ai_response_time"},
        "business": {"calls_today", "successful_rate", "avg_call_duration", "appointments_booked"},
    }
    assert 0 < body["system"]["memory_usage"] <= 100
    agent = await server.agents.get(await org_uid(server), "agent_1")
    server.log.open(agent).answered()
    await server.writer.flush()
    assert (await send(server, "GET", "monitoring/metrics"))[1]["system"]["active_calls"] == 1
    assert (await send(server, "GET", "monitoring/metrics", who=BOB))[1]["system"]["active_calls"] == 0


async def org_uid(server: Server) -> str:
    async with server.database.read() as connection:
        query = sa.text("SELECT uid FROM organizations WHERE external_id = 'org_one'")
        return str((await connection.execute(query)).scalar_one())


async def test_analytics_add_up_in_the_organizations_own_days(server: Server) -> None:
    status, body = await send(server, "GET", f"monitoring/analytics?{SPAN}&group_by=day")
    assert status == 200
    assert (body["start_date"], body["end_date"]) == ("2026-01-18T23:00:00Z", "2026-01-25T23:00:00Z")
    days = {row["start"]: row["total_calls"] for row in body["data"]}
    assert len(days) == 7
    # call_2 began 23:30 UTC on the 20th: on the 21st in Berlin
    assert [days[f"2026-01-{day}T23:00:00Z"] for day in (19, 20, 21)] == [1, 1, 1]
    assert body["summary"]["total_calls"] == 3
    assert body["summary"]["successful_calls"] == 1
    assert sum(row["successful_calls"] for row in body["data"]) == 1
    for by, count in (("hour", 168), ("week", 1)):
        _, other = await send(server, "GET", f"monitoring/analytics?{SPAN}&group_by={by}")
        assert (len(other["data"]), other["summary"]) == (count, body["summary"])
    assert (await send(server, "GET", f"monitoring/analytics?{SPAN}", who=BOB))[1]["summary"]["total_calls"] == 1


@pytest.mark.parametrize(
    "query",
    [
        "period=year",
        "period=custom",
        "period=custom&start_date=2026-01-01",
        "period=custom&start_date=2026-02-01&end_date=2026-01-01",
        "period=custom&start_date=x&end_date=2026-01-01",
        "period=custom&start_date=2020-01-01&end_date=2026-01-01&group_by=hour",
        "group_by=minute",
    ],
)
async def test_wrong_spans_are_refused(server: Server, query: str) -> None:
    assert (await send(server, "GET", f"monitoring/analytics?{query}"))[0] == 422


@pytest.mark.parametrize(("period", "least"), [("today", 23), ("week", 1), ("month", 1)])
async def test_named_periods(server: Server, period: str, least: int) -> None:
    status, body = await send(server, "GET", f"monitoring/analytics?period={period}")
    assert (status, body["period"]) == (200, period)
    assert len(body["data"]) >= least


# --- rights ---------------------------------------------------------------------------------------


async def with_traces(server: Server) -> str:
    """Everything that may remember cust_1, and how to find it."""
    await send(server, "POST", "crm/interactions", {"customer_id": "cust_1", "type": "email", "notes": "Max wrote"})
    await send(server, "PUT", "crm/customers/cust_1", {"email": "max@mustermann.example"})
    start = {"agent_id": "agent_1", "metadata": {"phone_number": "+49301234567"}}
    _, talk = await send(server, "POST", "conversation/start", start)
    await send(server, "POST", f"conversation/{talk['conversation_id']}/message", {"message": "my name is Max"})
    tape = server.recordings / "2026-01-20"
    tape.mkdir()
    for suffix in ("wav", "trace"):
        (tape / f"call_1.{suffix}").write_bytes(b"Max spoke")
    async with server.database.write() as connection:
        await connection.execute(
            sa.text(
                "INSERT INTO recordings (uid, organization_uid, call_uid, external_id, path, format, rate_hz,"
                " duration_ms, size_bytes, created_at) SELECT 'r', organization_uid, uid, 'rec_1',"
                " '2026-01-20/call_1.wav', 'wav', 8000, 1000, 9, created_at FROM calls WHERE external_id = 'call_1'"
            )
        )
        await connection.execute(
            sa.text(
                "INSERT INTO call_events (call_uid, kind, at_ms, data)"
                " SELECT uid, 'turn.committed', 1, '{\"text\": \"I am Max\"}' FROM calls WHERE external_id = 'call_1'"
            )
        )
    return str(talk["conversation_id"])


async def test_an_export_is_made_in_the_background_and_expires(server: Server) -> None:
    await with_traces(server)
    wanted = {
        "customer_id": "cust_1",
        "include": ["calls", "transcripts", "interactions", "appointments"],
        "format": "json",
    }
    status, asked = await send(server, "POST", "gdpr/export", wanted)
    assert status == 202
    assert (asked["status"], asked["download_url"]) == ("processing", None)
    assert asked["estimated_completion"].endswith("Z")
    assert await server.dealings.privacy.step() is True
    path = f"gdpr/export/{asked['export_id']}"
    _, done = await send(server, "GET", path)
    assert done["status"] == "completed"
    base = str(server.client.make_url("")).rstrip("/")
    assert done["download_url"].startswith(f"{base}/exports/")
    response = await server.client.get(done["download_url"].removeprefix(base))
    content = json.loads(await response.read())
    assert set(content) == {"exported_at", "customer", "calls", "transcripts", "interactions", "appointments"}
    assert (content["customer"]["id"], content["customer"]["name"]) == ("cust_1", "Max")
    assert [call["id"] for call in content["calls"]] == ["call_1"]
    assert content["transcripts"]["call_1"][1]["caller_text"] == "What time is it"
    assert [row["notes"] for row in content["interactions"]] == ["Max wrote"]
    assert [row["id"] for row in content["appointments"]] == ["apt_1"]
    file = f"/exports/{asked['export_id']}.json"
    assert (await server.client.get(file)).status == 401
    assert (await server.client.get(file, headers=await server.headers(BOB))).status == 404
    assert (await server.client.get(file, headers=await server.headers(DORA))).status == 403
    assert (await send(server, "GET", path, who=BOB))[0] == 404
    async with server.database.write() as connection:
        await connection.execute(sa.text("UPDATE privacy_requests SET expires_at = '2020-01-01 00:00:00.000000'"))
    assert await server.dealings.privacy.step() is False
    assert list((server.directory / "exports").iterdir()) == []
    assert (await server.client.get(file, headers=await server.headers())).status == 404


async def test_a_deletion_withdraws_the_export_that_is_being_made(server: Server) -> None:
    privacy = server.dealings.privacy
    _, asked = await send(server, "POST", "gdpr/export", {"customer_id": "cust_1"})
    write = privacy._write

    def deleted_meanwhile(external_id: str, content: Any) -> None:
        write(external_id, content)
        asyncio.run_coroutine_threadsafe(
            privacy.delete(organization, "cust_1", anonymize=True, keep=True), loop
        ).result(10)
        write(external_id, content)

    organization, loop = await org_uid(server), asyncio.get_running_loop()
    privacy._write = deleted_meanwhile  # type: ignore[method-assign]
    await privacy.step()
    assert list((server.directory / "exports").iterdir()) == []
    _, found = await send(server, "GET", f"gdpr/export/{asked['export_id']}")
    assert (found["status"], found["download_url"]) == ("withdrawn", None)


async def figures(server: Server) -> Any:
    _, analytics = await send(server, "GET", f"monitoring/analytics?{SPAN}")
    _, metrics = await send(server, "GET", "monitoring/metrics")
    _, calls = await send(server, "GET", "calls")
    _, appointments = await send(server, "GET", "calendar/appointments")
    durations = [call["duration"] for call in calls["items"]]
    return analytics, metrics["business"], metrics["performance"], durations, appointments["total"]


async def everything(server: Server) -> str:
    """All that the database holds of organization one, as text."""
    texts = []
    async with server.database.read() as connection:
        for table in metadata.sorted_tables:
            texts += [f"{table.name}: {tuple(row)}" for row in await connection.execute(sa.select(table))]
    return "\n".join(text for text in texts if "Two Hair" not in text)


DIRECTORIES = ("audio", "exports", "downloads")


async def told_elsewhere(server: Server) -> None:
    """An export of calls, and a webhook that is to say why an appointment was cancelled."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"id,customer_name\r\n1,Max\r\n"

    organization = await org_uid(server)
    await server.dealings.downloads.keep(organization, "calls-export", "csv", parts())
    url, events = "http://127.0.0.1:9/hook", [Fact.APPOINTMENT_CANCELLED]
    await server.dealings.webhooks.subscribe(organization, "portal", url, events, "s", True)
    _, listed = await send(server, "GET", "calendar/appointments?customer_id=cust_1")
    async with server.database.write() as connection:
        told = {"reason": "Max is ill", "notify_customer": False}
        await outbox.announce(connection, organization, events[0], listed["items"][0]["id"], told)


@pytest.mark.parametrize("options", [None, {"anonymize": False, "keep_statistics": True}])
async def test_deleting_reaches_everything_and_changes_no_figure(server: Server, options: Any) -> None:
    conversation = await with_traces(server)
    await send(server, "POST", "gdpr/export", {"customer_id": "cust_1"})
    await server.dealings.privacy.step()
    await told_elsewhere(server)
    before = await figures(server)
    body = {"customer_id": "cust_1"} | ({"delete_options": options} if options else {})
    assert (await send(server, "POST", "gdpr/delete", body, BOB))[0] == 404
    status, done = await send(server, "POST", "gdpr/delete", body)
    assert (status, done["status"], done["customer_id"]) == (200, "completed", "cust_1")
    assert await figures(server) == before
    left = await everything(server)
    for word in ("Max", "max@", "49301234567", "493012345", "What time is it", "cust_1", "ключ", "Max wrote"):
        lines = [line for line in left.splitlines() if word in line and "call_9" not in line]
        assert lines == [], word
    for directory in (server.recordings / "2026-01-20", *(server.directory / n for n in DIRECTORIES)):
        assert list(directory.iterdir()) == []
    assert (await send(server, "POST", f"conversation/{conversation}/message", {"message": "hello"}))[0] == 404
    assert (await send(server, "POST", "gdpr/delete", body))[0] == 404
    _, call = await send(server, "GET", "calls/call_1")
    assert (call["from_number"], call["to_number"], call["duration"]) == ("", "+49 30 9876543", 180)
    assert call["transcript"] == {"messages": []}


async def test_a_call_that_is_yet_to_be_made_is_withdrawn_and_no_figure_learns_of_it(server: Server) -> None:
    wanted = {
        "to_number": "+491700000000",
        "agent_id": "agent_1",
        "scheduled_time": z(instants.now() + timedelta(hours=1)),
        "metadata": {"customer_id": "cust_1"},
    }
    status, placed = await send(server, "POST", "calls/outbound/start", wanted)
    assert status == 201, placed
    before = (await figures(server))[:3]
    assert (await send(server, "POST", "gdpr/delete", {"customer_id": "cust_1"}))[0] == 200
    assert (await figures(server))[:3] == before
    assert (await send(server, "GET", f"calls/{placed['call_id']}"))[0] == 404
    assert (await send(server, "GET", "monitoring/metrics"))[1]["system"]["queued_calls"] == 0


async def test_deleting_without_keeping_removes_the_rows(server: Server) -> None:
    await with_traces(server)
    options = {"anonymize": False, "keep_statistics": False}
    assert (await send(server, "POST", "gdpr/delete", {"customer_id": "cust_1", "delete_options": options}))[0] == 200
    assert (await send(server, "GET", "calls/call_1"))[0] == 404
    assert (await send(server, "GET", "calls/call_2"))[0] == 200
    assert (await send(server, "GET", "calendar/appointments"))[1]["total"] == 0


async def test_rights_are_the_administrators_to_serve(server: Server) -> None:
    for path in ("gdpr/export", "gdpr/delete"):
        assert (await send(server, "POST", path, {"customer_id": "cust_1"}, DORA))[0] == 403
        assert (await send(server, "POST", path, {"customer_id": "cust_no"}))[0] == 404
        assert (await send(server, "POST", path, {}))[0] == 422
    for wrong in ({"format": "xml"}, {"include": ["secrets"]}, {"include": []}):
        assert (await send(server, "POST", "gdpr/export", {"customer_id": "cust_1"} | wrong))[0] == 422

"""What every route shares: errors of all kinds in one shape, limits, documents, infrastructure."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
import structlog
from api_server import Server, Start

from voicecore.api.kit import BODY_LIMIT


def error_of(body: dict[str, Any]) -> str:
    assert set(body) == {"error", "request_id", "timestamp"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["timestamp"].endswith("Z")
    assert body["request_id"].startswith("req_")
    return str(body["error"]["code"])


async def test_unknown_paths_and_methods(server: Server) -> None:
    for path in ("/api/v1/nothing", "/nowhere", "/api/v1/calls/x/y", "/%2e%2e/etc/passwd"):
        response = await server.client.get(path)
        assert (response.status, error_of(await response.json())) == (404, "NOT_FOUND")
    response = await server.client.delete("/api/v1/calls")
    assert response.status == 405
    assert response.headers["Allow"] == "GET"
    error_of(await response.json())


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'{"username": "\xff"}', 422),
        (b'{"username": "\\ud800", "password": "x"}', 422),
        (b'{"username": 1, "password": []}', 422),
        (b"[" * 100_000, 422),
        (b'{"username": "' + b"a" * BODY_LIMIT + b'"}', 413),
    ],
)
async def test_bad_bodies(server: Server, raw: bytes, status: int) -> None:
    response = await server.client.post(
        "/api/v1/auth/login", data=io.BytesIO(raw), headers={"Content-Type": "application/json"}
    )
    assert (response.status, error_of(await response.json())) == (status, "VALIDATION_ERROR")


async def test_all_wrong_fields_are_named_at_once(server: Server) -> None:
    response = await server.client.post("/api/v1/auth/login", json={"username": 5})
    details = (await response.json())["error"]["details"]
    assert [(d["field"], d["message"]) for d in details] == [
        ("username", "Expected str, got int"), ("password", "required"),
    ]  # fmt: skip


async def test_an_oversized_chunked_body_is_refused(server: Server) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 65536

    response = await server.client.post("/api/v1/auth/login", data=chunks())
    assert (response.status, error_of(await response.json())) == (413, "VALIDATION_ERROR")


async def test_a_crash_tells_the_client_its_request_id_and_nothing_else(server: Server) -> None:
    with structlog.testing.capture_logs() as logs:
        response = await server.client.get("/api/v1/crash", headers=await server.headers())
    body = await response.json()
    assert (response.status, error_of(body)) == (500, "INTERNAL_ERROR")
    assert "secret" not in str(body)
    assert response.headers["X-Request-ID"] == body["request_id"]
    logged = [entry for entry in logs if entry["event"] == "request_crashed"]
    assert [entry["request_id"] for entry in logged] == [body["request_id"]]
    assert logged[0]["log_level"] == logging.getLevelName(logging.ERROR).lower()
    assert "the secret inside" in logged[0]["traceback"]


async def test_documented_limits(start: Start) -> None:
    server = await start(relaxed=False)
    headers = await server.headers()
    seen = [await server.client.get("/api/v1/calls", headers=headers) for _ in range(11)]
    assert [response.status for response in seen] == [200] * 10 + [429]
    assert [r.headers["X-RateLimit-Limit"] for r in seen] == ["10"] * 11
    assert [int(r.headers["X-RateLimit-Remaining"]) for r in seen] == [*range(9, -1, -1), 0]
    assert int(seen[0].headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert error_of(await seen[-1].json()) == "RATE_LIMIT_ERROR"
    assert 1 <= int(seen[-1].headers["Retry-After"]) <= 61
    other = await server.client.get("/api/v1/agents/agent_1", headers=headers)
    assert (other.status, other.headers["X-RateLimit-Limit"]) == (200, "100")
    colleague = await server.client.get("/api/v1/calls", headers=await server.headers("dora@one.example"))
    assert colleague.status == 200


async def test_guessing_is_limited_by_address(start: Start) -> None:
    server = await start(relaxed=False)
    bad = {"username": "ada@one.example", "password": "no"}
    statuses = [(await server.client.post("/api/v1/auth/login", json=bad)).status for _ in range(101)]
    assert statuses == [401] * 100 + [429]
    assert (await server.client.get("/api/v1/agents/a")).status == 429


async def test_relaxed_limits_are_told_and_refuse_nobody(server: Server) -> None:
    headers = await server.headers()
    seen = [await server.client.get("/api/v1/calls", headers=headers) for _ in range(15)]
    assert [response.status for response in seen] == [200] * 15
    assert [int(r.headers["X-RateLimit-Remaining"]) for r in seen] == [*range(9, -1, -1), *[0] * 5]


async def test_openapi_describes_every_route(server: Server) -> None:
    spec = await (await server.client.get("/openapi.json")).json()
    assert spec["openapi"] == "3.1.0"
    assert set(spec["paths"]) >= {
        "/api/v1/auth/login",
        "/api/v1/agents/{agent_id}",
        "/api/v1/calls",
        "/api/v1/calls/{call_id}",
        "/recordings/{recording_id}.wav",
        "/api/v1/calendar/availability",
    }
    listing = spec["paths"]["/api/v1/calls"]["get"]
    assert {p["name"] for p in listing["parameters"]} >= {"status", "phone_number", "page"}
    schema = listing["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert schema.rpartition("/")[2] in spec["components"]["schemas"]
    put = spec["paths"]["/api/v1/agents/{agent_id}"]["put"]
    assert put["parameters"] == [{"name": "agent_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    page = await server.client.get("/docs")
    text = await page.text()
    assert page.content_type == "text/html"
    assert "/api/v1/calls/{call_id}" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "").split("<pre>")[0]


async def test_infrastructure(server: Server) -> None:
    assert (await server.client.get("/healthz")).status == 200
    ready = await server.client.get("/readyz")
    assert (ready.status, (await ready.json())["checks"]) == (200, {"database": "ok"})
    await server.client.get("/api/v1/calls/call_1", headers=await server.headers())
    text = await (await server.client.get("/metrics")).text()
    assert 'voicecore_http_requests_total{method="GET",route="/api/v1/calls/{call_id}",status="200"} 1.0' in text
    assert "voicecore_writer_dropped_events_total 0.0" in text
    assert "call_1" not in text

"""What browsers are told: which pages may call, and what every answer of every surface carries."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_server import SEED, Server
from database_copies import SQLITE, Copies
from every_route import filled, routes

from voicecore.storage.database import Database
from voicecore.storage.writer import Writer

PAGE, STRANGER = "https://app.example.com", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
async def open_server(tmp_path: Path, copies: Copies, origins: tuple[str, ...]) -> AsyncIterator[Server]:
    async with contextlib.AsyncExitStack() as stack:
        database = await Database.open(await stack.enter_async_context(copies.copy(SQLITE, tmp_path, SEED)))
        writer = Writer(database)
        writer.start()
        server = Server(tmp_path, database, writer, True, origins=origins)
        await server.client.start_server()
        stack.push_async_callback(server.close)
        yield server


@pytest.mark.parametrize("origins", [(PAGE,), ("*",)])
async def test_named_pages_may_call(open_server: Server, origins: tuple[str, ...]) -> None:
    expected = "*" if "*" in origins else PAGE
    for surface, route in routes(open_server):
        path = surface.root + filled(route)
        answer = await open_server.client.options(path, headers={"Origin": PAGE, **PREFLIGHT})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, expected), path
        assert route.method in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    answer = await open_server.client.get("/api/v1/calls", headers={"Origin": PAGE})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, expected)
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origins", [(PAGE,), ()])
async def test_other_pages_may_not(open_server: Server, origins: tuple[str, ...]) -> None:
    for origin in (STRANGER, "null", f"{PAGE}.evil.example", PAGE.upper() if origins else PAGE):
        for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
            answer = await open_server.client.request(method, "/api/v1/calls", headers={"Origin": origin, **more})
            assert answer.status == (405 if more else 401)
            assert not [name for name in answer.headers if name.startswith("Access-Control")]
            assert answer.headers.get("Vary") == ("Origin" if origins else None)


@pytest.mark.parametrize("origins", [()])
async def test_every_answer_carries_the_headers(open_server: Server, origins: tuple[str, ...]) -> None:
    for surface, route in routes(open_server):
        answer = await open_server.client.request(route.method, surface.root + filled(route))
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "voicecore"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert int(headers["Strict-Transport-Security"].removeprefix("max-age=")) >= 31536000
        assert headers["X-Request-ID"]

"""Document 001, authentication and errors: shapes, unix seconds, plain strings, 200 also for what is new."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import pytest
from api_server import Server
from dashboard_desk import Board, login, register

from pipelines.errors import StageError
from voicecore.api.dashboard.errors import render_error

ACCOUNT: dict[str, Any] = {"email": "user@example.com", "password": "securepassword", "name": "John Doe"}


async def test_register_login_me_and_logout_answer_as_documented(server: Server) -> None:
    nobody = Board(server)
    registered = await nobody.post("/auth/register", **ACCOUNT)
    assert set(registered) == {"token", "user"}
    assert registered["user"] == {"id": registered["user"]["id"], "email": "user@example.com", "name": "John Doe"}
    again = await nobody.post("/auth/login", email=" User@Example.com", password="securepassword")
    assert again["user"] == registered["user"]
    first, second = Board(server, registered["token"]), Board(server, again["token"])
    me = await first.get("/auth/me")
    assert set(me) == {"id", "email", "name", "created_at"}
    assert {name: me[name] for name in registered["user"]} == registered["user"]
    assert type(me["created_at"]) is int
    assert abs(me["created_at"] - time.time()) < 60
    assert await first.ask("POST", "/auth/logout") == {"message": "Logged out successfully"}
    assert await first.ask("GET", "/auth/me", 401) == {"error": "Invalid or expired token"}
    assert (await second.get("/auth/me"))["id"] == me["id"]  # only the current session ended


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/auth/register", {}, "email is required"),
        ("/auth/register", {**ACCOUNT, "password": "short"}, "Password must have 8 to 1024 characters"),
        ("/auth/register", {**ACCOUNT, "password": ""}, "Password must have 8 to 1024 characters"),
        ("/auth/register", {**ACCOUNT, "email": "nobody"}, "Invalid e-mail address"),
        ("/auth/register", {**ACCOUNT, "email": "ada@one.example"}, "E-mail address already registered"),
        ("/auth/login", {"email": "user@example.com"}, "password is required"),
    ],
)
async def test_what_is_wrong_in_a_request_is_400_and_a_plain_string(
    server: Server, path: str, body: dict[str, Any], error: str
) -> None:
    assert await Board(server).post(path, 400, **body) == {"error": error}


async def test_every_failure_has_the_documents_shape(server: Server) -> None:
    await register(server)
    nobody = Board(server)
    wrong = await nobody.post("/auth/login", 401, email="user@example.com", password="wrong password")
    assert wrong == {"error": "Invalid email or password"}
    assert wrong == await nobody.post("/auth/login", 401, email="nobody@example.com", password="wrong password")
    assert await nobody.ask("GET", "/auth/me", 401) == {"error": "Invalid or expired token"}
    assert await Board(server, "x.y.z").ask("GET", "/auth/me", 401) == {"error": "Invalid or expired token"}
    native = (await server.login("ada@one.example", "ada-password"))["access_token"]
    assert set(await Board(server, native).ask("GET", "/auth/me", 401)) == {"error"}
    assert await nobody.ask("GET", "/nowhere", 404) == {"error": "No such path"}
    assert set(await nobody.ask("GET", "/auth/login", 405)) == {"error"}
    assert set(await nobody.ask("POST", "/auth/login", 400, data=b"{")) == {"error"}
    large = BytesIO(b" " * (1024 * 1024 + 1))
    assert set(await nobody.ask("POST", "/auth/login", 413, data=large)) == {"error"}


def test_an_engine_that_fails_is_our_failure() -> None:
    rendered = render_error(StageError("the connection failed", stage="llm", provider="openai"), "")
    assert (rendered.status, rendered.body.error) == (500, "An engine failed: llm/openai: the connection failed")


async def test_limits_count_credentials_by_address(start: Any) -> None:
    server: Server = await start(relaxed=False)
    nobody = Board(server)
    answers = [await server.client.post("/dashboard/api/auth/login", json={"email": "a@b.example"}) for _ in range(2)]
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    assert left[0] - left[1] == 1
    for _ in range(left[1]):
        await server.client.post("/dashboard/api/auth/login", json={})
    assert await nobody.ask("POST", "/auth/login", 429, json={}) == {"error": "Too many requests"}


async def test_seeded_users_come_in_and_documents_describe_this_surface_only(server: Server) -> None:
    ada = await login(server, "ada@one.example")
    assert (await ada.get("/auth/me"))["email"] == "ada@one.example"
    spec = await (await server.client.get("/dashboard/openapi.json")).json()
    assert spec["servers"][0]["url"].endswith("/dashboard")
    assert "/api/auth/register" in spec["paths"]
    assert not any(path.startswith(("/api/v1", "/api/v2")) for path in spec["paths"])
    page = await server.client.get("/dashboard/docs")
    assert page.status == 200
    assert "Dashboard" in await page.text()

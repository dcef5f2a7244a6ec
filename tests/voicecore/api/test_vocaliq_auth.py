"""Document 004, authentication: shapes, token kinds, revocation, no enumeration."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from api_server import Server

from voicecore.storage.schema import audit_entries


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_login_answers_as_documented(server: Server) -> None:
    body = await server.login("ADA@one.example", "ada-password")
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 1800)
    assert set(body["user"]) == {"id", "email", "organization_id", "roles"}
    assert body["user"]["organization_id"] == "org_one"
    assert body["user"]["roles"] == ["admin", "user"]
    assert len(body["user"]["id"]) == 36
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 1800


async def test_wrong_logins_all_look_alike(server: Server) -> None:
    seen = set()
    for username, password in [
        ("ada@one.example", "wrong"),
        ("nobody@one.example", "ada-password"),
        ("", ""),
        ("' OR 1=1 --", "x"),
        ("ada@one.example", "x" * 5000),
        ("ädä@öne.example", "🦷"),
    ]:
        body = {"username": username, "password": password}
        response = await server.client.post("/api/v1/auth/login", json=body)
        answer = await response.json()
        assert response.headers["WWW-Authenticate"] == "Bearer"
        seen.add((response.status, answer["error"]["code"], answer["error"]["message"]))
    assert seen == {(401, "AUTHENTICATION_ERROR", "invalid credentials")}


async def test_the_kinds_of_token_do_not_stand_for_each_other(server: Server) -> None:
    tokens = await server.login("ada@one.example", "ada-password")
    access, refresh = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    assert (await server.client.get("/api/v1/calls", headers=refresh)).status == 401
    assert (await server.client.post("/api/v1/auth/logout", headers=refresh)).status == 401
    assert (await server.client.post("/api/v1/auth/refresh", headers=access)).status == 401
    assert (await server.client.post("/api/v1/auth/refresh", headers=refresh)).status == 200
    assert (await server.client.get("/api/v1/calls", headers=access)).status == 200


async def test_refresh_gives_tokens_that_work(server: Server) -> None:
    tokens = await server.login("ada@one.example", "ada-password")
    response = await server.client.post("/api/v1/auth/refresh", headers=bearer(tokens["refresh_token"]))
    fresh = await response.json()
    assert fresh["access_token"] != tokens["access_token"]
    assert (await server.client.get("/api/v1/calls", headers=bearer(fresh["access_token"]))).status == 200


async def test_an_old_refresh_token_is_a_copy_and_ends_the_session(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refresh(token: str) -> tuple[int, Any]:
        response = await server.client.post("/api/v1/auth/refresh", headers=bearer(token))
        return response.status, await response.json()

    first, other = [await server.login("ada@one.example", "ada-password") for _ in range(2)]
    status, second = await refresh(first["refresh_token"])
    assert (status, (await refresh(second["refresh_token"]))[0]) == (200, 200)
    newest = (await server.login("ada@one.example", "ada-password"))["refresh_token"]
    at_once = await asyncio.gather(*(refresh(newest) for _ in range(5)))
    assert [status for status, _ in at_once] == [200] * 5  # who did not get the answer asks again
    assert (await refresh(first["refresh_token"]))[0] == 401
    for ended in (first, second):
        assert (await server.client.get("/api/v1/calls", headers=bearer(ended["access_token"]))).status == 401
    assert (await server.client.get("/api/v1/calls", headers=bearer(other["access_token"]))).status == 200
    async with server.database.read() as connection:
        risk = sa.select(audit_entries.c.risk_level).where(audit_entries.c.action == "session.refresh_token_reused")
        assert list((await connection.execute(risk)).scalars()) == ["high"]
    monkeypatch.setattr("voicecore.services.sessions.AGAIN", timedelta(0))
    assert (await refresh(newest))[0] == 401
    assert (await refresh(at_once[-1][1]["refresh_token"]))[0] == 401  # the session is over


async def test_logout_ends_the_whole_session_and_no_other(server: Server) -> None:
    mine = await server.login("ada@one.example", "ada-password")
    other = await server.login("ada@one.example", "ada-password")
    assert (await server.client.post("/api/v1/auth/logout", headers=bearer(mine["access_token"]))).status == 200
    assert (await server.client.get("/api/v1/calls", headers=bearer(mine["access_token"]))).status == 401
    refreshed = await server.client.post("/api/v1/auth/refresh", headers=bearer(mine["refresh_token"]))
    assert refreshed.status == 401
    assert (await server.client.get("/api/v1/calls", headers=bearer(other["access_token"]))).status == 200


async def test_forged_tokens_are_refused(server: Server) -> None:
    token = (await server.login("ada@one.example", "ada-password"))["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    unsigned = jwt.encode(claims, key="", algorithm="none")
    foreign = jwt.encode(claims, key="k" * 32, algorithm="HS256")
    for bad in (unsigned, foreign, token[:-2], token + "x", "x", "", "a.b.c", "Bearer"):
        assert (await server.client.get("/api/v1/calls", headers=bearer(bad))).status == 401
    for header in ("Basic YTpi", token, "Bearer"):
        assert (await server.client.get("/api/v1/calls", headers={"Authorization": header})).status == 401


async def test_roles_decide(server: Server) -> None:
    dora = await server.headers("dora@one.example")
    assert (await server.client.get("/api/v1/agents/agent_1", headers=dora)).status == 200
    response = await server.client.put("/api/v1/agents/agent_1", headers=dora, json={"name": "x"})
    assert response.status == 403
    assert (await response.json())["error"]["code"] == "AUTHORIZATION_ERROR"

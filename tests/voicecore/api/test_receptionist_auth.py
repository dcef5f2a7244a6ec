"""Document 002, authentication: shapes, literal texts, 24 hours, refresh with the same token."""

from __future__ import annotations

import re
import uuid

import jwt
import pytest
from api_server import Server
from receptionist_desk import Desk, register

from voicecore.storage import tenants

ACCOUNT = {"email": "user@example.com", "password": "password123", "name": "John Doe"}
DAY_S = 86400


def lifetime_s(token: str) -> int:
    claims = jwt.decode(token, options={"verify_signature": False})
    return int(claims["exp"] - claims["iat"])


async def test_register_login_me_and_refresh_answer_as_documented(server: Server) -> None:
    nobody = Desk(server)
    registered = await nobody.ask("POST", "/auth/register", 201, json=ACCOUNT)
    assert set(registered) == {"token", "user"}
    assert registered["user"] == {"id": registered["user"]["id"], "email": "user@example.com", "name": "John Doe"}
    assert str(uuid.UUID(registered["user"]["id"])) == registered["user"]["id"]
    login = await nobody.ask("POST", "/auth/login", 200, json={k: ACCOUNT[k] for k in ("email", "password")})
    assert login["user"] == registered["user"]
    me = await Desk(server, login["token"]).get("/auth/me")
    assert set(me) == {"user"}
    assert {k: me["user"][k] for k in ("id", "email", "name")} == registered["user"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", me["user"]["created_at"])
    fresh = await Desk(server, registered["token"]).ask("POST", "/auth/refresh", 200)
    assert fresh["user"] == registered["user"]
    tokens = [answer["token"] for answer in (registered, login, fresh)]
    assert len(set(tokens)) == 3
    for token in tokens:
        assert lifetime_s(token) == DAY_S
        await Desk(server, token).get("/auth/me")


async def test_refreshing_carries_the_session_on(server: Server) -> None:
    desk = await register(server)
    sid = jwt.decode(desk.token or "", options={"verify_signature": False})["sid"]
    ends = []
    for _ in range(2):
        async with server.database.read() as connection:
            session = await tenants.session(connection, sid)
        assert session is not None
        ends.append(session.expires_at)
        fresh = await desk.ask("POST", "/auth/refresh", 200)
        assert jwt.decode(fresh["token"], options={"verify_signature": False})["sid"] == sid
    assert ends[0] < ends[1]


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@b.example"},
        {"password": "password123"},
        {"email": "", "password": "password123"},
        {"email": "a@b.example", "password": ""},
        {"email": None, "password": None},
        {"email": 5, "password": ["x"]},
    ],
)
async def test_both_members_are_required(server: Server, path: str, body: dict[str, object]) -> None:
    assert await Desk(server).ask("POST", path, 400, json=body) == {"error": "Email and password required"}


async def test_registering(server: Server) -> None:
    nobody = Desk(server)
    anonymous = await nobody.ask(
        "POST", "/auth/register", 201, json={"email": "Ünïcode@exämple.org", "password": "pässwörd🦷"}
    )
    assert anonymous["user"]["name"] is None
    assert anonymous["user"]["email"] == "ünïcode@exämple.org"
    again = {**ACCOUNT, "email": "ÜNÏCODE@exämple.org"}
    assert await nobody.ask("POST", "/auth/register", 400, json=again) == {"error": "E-mail address already registered"}
    for wrong in ({"email": "nobody"}, {"email": "a b@c.de"}, {"password": "short"}, {"password": "x" * 5000}):
        status, body = await nobody.ask("POST", "/auth/register", json=ACCOUNT | wrong)
        assert status == 400
        assert set(body) == {"error"}
    await nobody.ask("POST", "/auth/login", 401, json=ACCOUNT)  # none of them was stored


async def test_wrong_logins_look_alike(server: Server) -> None:
    await register(server)
    seen = set()
    for email, password in (("user@example.com", "wrong"), ("nobody@example.com", "password123"), ("' OR 1=1 --", "x")):
        body = await Desk(server).ask("POST", "/auth/login", 401, json={"email": email, "password": password})
        seen.add(body["error"])
    assert seen == {"Invalid credentials"}


async def test_an_account_works_on_every_surface(server: Server) -> None:
    await register(server)
    grant = await server.login("user@example.com", "password123")
    assert grant["user"]["roles"] == ["admin"]
    seeded = await Desk(server).ask(
        "POST", "/auth/login", 200, json={"email": "ada@one.example", "password": "ada-password"}
    )
    clients = await Desk(server, seeded["token"]).get("/clients")
    assert [client["name"] for client in clients["clients"]] == ["One Dental"]


async def test_passwords_are_kept_as_argon2id_only(server: Server) -> None:
    await register(server)
    async with server.database.read() as connection:
        user = await tenants.user_by_email(connection, "user@example.com")
    assert user is not None
    assert user.password_hash.startswith("$argon2id$")

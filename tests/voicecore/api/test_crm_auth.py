"""Document 003, envelope, login, organizations, errors and limits."""

from __future__ import annotations

import io
import time

import jwt
import pytest
import sqlalchemy as sa
from api_server import Server, Start
from crm_desk import ADA, BOB, CONTACT, DORA, Crm, login

from pipelines.errors import StageError, StageTimeout
from voicecore.api.crm.errors import render_error
from voicecore.services.seed_format import SeedFile, SeedOrganization, SeedUser
from voicecore.services.seeding import Seeder


async def test_a_login_gives_a_token_and_the_user(server: Server) -> None:
    body = {"email": "Ada@One.example", "password": "ada-password"}
    answer = await Crm(server).ask("POST", "/auth/login", 200, json=body)
    assert set(answer) == {"success", "data"}
    data = answer["data"]
    assert set(data) == {"access_token", "token_type", "user"}
    assert data["token_type"] == "bearer"
    user = data["user"]
    assert set(user) == {"id", "name", "email", "role", "organization_id", "avatar_url"}
    assert (user["name"], user["email"], user["role"]) == ("Ada", ADA, "admin")
    assert user["avatar_url"] is None
    assert all(isinstance(user[name], int) for name in ("id", "organization_id"))
    claims = jwt.decode(data["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 86400
    me = await Crm(server, data["access_token"]).get("/auth/me")
    assert me == {"success": True, "data": user}
    assert (await login(server, DORA)).user["role"] == "user"


async def test_logout_answers_as_the_document_does_and_ends_the_session(server: Server) -> None:
    crm = await login(server)
    assert await crm.ask("POST", "/auth/logout", 200) == {"success": True, "message": "Successfully logged out"}
    await crm.refused("GET", "/auth/me", 401, "AUTHENTICATION_FAILED")


async def test_wrong_logins(server: Server) -> None:
    nobody = Crm(server)
    for body in ({"email": ADA, "password": "wrong"}, {"email": "no@one.example", "password": "ada-password"}):
        await nobody.refused("POST", "/auth/login", 401, "AUTHENTICATION_FAILED", json=body)
    error = await nobody.refused("POST", "/auth/login", 400, "VALIDATION_ERROR", json={"password": "x"})
    assert error["details"] == {"field": "email", "reason": "required"}
    assert error["message"] == "Invalid input data"
    await nobody.refused("POST", "/auth/register", 404, "RESOURCE_NOT_FOUND", json={})


async def test_tokens_of_other_surfaces_open_nothing_here_and_the_reverse(server: Server) -> None:
    native = (await server.login(ADA, "ada-password"))["access_token"]
    for token in (native, "a.b.c", ""):
        await Crm(server, token).refused("GET", "/contacts", 401, "AUTHENTICATION_FAILED")
    await Crm(server).refused("GET", "/contacts", 401, "AUTHENTICATION_FAILED")
    crm = await login(server)
    response = await server.client.get("/api/v1/calls", headers={"Authorization": f"Bearer {crm.token}"})
    assert response.status == 401


async def test_the_organization_header_never_opens_what_one_does_not_belong_to(server: Server) -> None:
    ada, bob = await login(server), await login(server, BOB)
    await bob.made("/contacts", CONTACT)
    before = await ada.get("/contacts")
    ada.headers = {"X-Organization-ID": str(ada.user["organization_id"])}
    assert await ada.get("/contacts") == before
    for foreign in (str(bob.user["organization_id"]), "999999", "org_two", "-1", "9" * 400):
        ada.headers = {"X-Organization-ID": foreign}
        await ada.refused("GET", "/contacts", 403, "AUTHORIZATION_FAILED")
        await ada.refused("POST", "/contacts", 403, "AUTHORIZATION_FAILED", json=CONTACT)
    ada.headers = {}
    assert await ada.get("/contacts") == before


async def test_a_member_of_two_chooses_by_the_header_and_has_the_rights_of_there(server: Server) -> None:
    both = tuple(
        SeedOrganization(
            id=name, name=name, users=(SeedUser(email="eve@both.example", password="eve-password", roles=(role,)),)
        )
        for name, role in (("org_first", "admin"), ("org_second", "user"))
    )
    await Seeder(server.database, server.passwords).apply(SeedFile(organizations=both), source="test")
    eve = await login(server, "eve@both.example")
    assert eve.user["role"] == "admin"
    async with server.database.read() as connection:
        query = sa.text("SELECT seq FROM organizations WHERE external_id = 'org_second'")
        second = (await connection.execute(query)).scalar_one()
    await eve.made("/contacts", CONTACT)
    eve.headers = {"X-Organization-ID": str(second)}
    assert (await eve.get("/contacts"))["data"] == []
    me = (await eve.get("/auth/me"))["data"]
    assert (me["organization_id"], me["role"]) == (second, "user")
    article = {"title": "T", "content": "<p>C</p>"}
    await eve.refused("POST", "/knowledge-base/articles", 403, "AUTHORIZATION_FAILED", json=article)


async def test_errors_of_every_kind_have_the_envelope(server: Server) -> None:
    crm = await login(server)
    await crm.refused("GET", "/nothing", 404, "RESOURCE_NOT_FOUND")
    response, body = await crm.response("PATCH", "/contacts")
    assert (response.status, body["error"]["code"]) == (405, "VALIDATION_ERROR")
    assert response.headers["Allow"] == "GET, POST"
    for raw in (b"{", b"[]", b"null", b'{"name": "\xff"}'):
        error = await crm.refused("POST", "/contacts", 400, "VALIDATION_ERROR", data=io.BytesIO(raw))
        assert error["details"]["field"] == "body"
    error = await crm.refused("POST", "/contacts", 400, "VALIDATION_ERROR", json=CONTACT | {"email": "nonsense"})
    assert error["details"] == {"field": "email", "reason": "Invalid email format"}
    response = await server.client.get("/crm/nothing")
    assert (response.status, (await response.json())["success"]) == (404, False)


async def test_a_crash_says_nothing(server: Server) -> None:
    crm = await login(server)
    async with server.database.write() as connection:
        await connection.execute(sa.text("ALTER TABLE telephony_providers RENAME TO elsewhere"))
    error = await crm.refused("GET", "/telephony/providers", 500, "INTERNAL_ERROR")
    async with server.database.write() as connection:  # a database may be used by the next test
        await connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO telephony_providers"))
    assert error["message"] == "Internal server error"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StageError("HTTP 429: too many", stage="llm", provider="openai"), 429, "AI_QUOTA_EXCEEDED"),
        (StageError("HTTP 500: oops", stage="llm", provider="openai"), 503, "AI_SERVICE_UNAVAILABLE"),
        (StageTimeout("no first token", stage="llm", provider="openai"), 504, "AI_PROCESSING_TIMEOUT"),
    ],
)
def test_a_model_that_fails_has_the_documents_words(error: StageError, status: int, code: str) -> None:
    rendered = render_error(error, "req_1")
    assert (rendered.status, rendered.body.error.code, rendered.body.success) == (status, code, False)


async def test_six_classes_with_four_headers(start: Start) -> None:
    server = await start(relaxed=False)
    crm = await login(server)

    async def class_of(method: str, path: str) -> tuple[str, int]:
        response, _ = await crm.response(method, path, json={})
        headers = response.headers
        assert int(headers["X-RateLimit-Remaining"]) < int(headers["X-RateLimit-Limit"])
        assert 0 < int(headers["X-RateLimit-Retry-After"]) <= 60  # never more than the window
        assert abs(int(headers["X-RateLimit-Reset"]) - time.time()) <= 61
        return headers["X-RateLimit-Limit"], response.status

    assert await class_of("GET", "/auth/me") == ("10", 200)
    assert await class_of("GET", "/contacts") == ("1000", 200)
    assert await class_of("POST", "/contacts") == ("100", 400)
    assert await class_of("POST", "/ai/chat") == ("50", 400)
    assert await class_of("POST", "/sentiment-analysis/analyze") == ("50", 400)
    seen = [await class_of("POST", "/ai/score-all-leads") for _ in range(5)]
    assert seen == [("5", 503)] * 5
    response, body = await crm.response("POST", "/ai/score-all-leads")
    assert (response.status, body["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert response.headers["X-RateLimit-Remaining"] == "0"
    assert response.headers["X-RateLimit-Retry-After"] == response.headers["Retry-After"]
    statuses = [(await Crm(server).response("POST", "/auth/login", json={}))[0].status for _ in range(10)]
    assert statuses == [400] * 9 + [429]  # the login before counted
    assert await class_of("GET", "/contacts") == ("1000", 200)

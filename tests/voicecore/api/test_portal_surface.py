"""Document 000 as a whole: errors, headers, documents, and what is not served yet."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from api_server import Server, Start

from voicecore.api import openapi
from voicecore.api.kit import Auth, Deprecation, Exchange, Reply, Route
from voicecore.api.limiter import Limiter
from voicecore.api.mount import middleware, mount
from voicecore.services.retelling import Retelling

PORTAL = "/api/v2/portal"


def check_error(body: dict[str, Any], code: str) -> dict[str, Any]:
    """The document's error shape, exactly; its `error`."""
    assert set(body) == {"error", "meta"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert isinstance(body["error"]["details"], dict)
    assert body["meta"]["timestamp"].endswith("Z")
    assert len(body["meta"]["timestamp"]) == 20
    assert str(uuid.UUID(body["meta"]["request_id"])) == body["meta"]["request_id"]
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "code"),
    [
        ("GET", f"{PORTAL}/nothing", {}, 404, "NOT_FOUND"),
        ("GET", PORTAL, {}, 404, "NOT_FOUND"),
        ("PATCH", f"{PORTAL}/auth/login", {}, 405, "VALIDATION_ERROR"),
        ("POST", f"{PORTAL}/auth/login", {"data": b"{"}, 422, "VALIDATION_ERROR"),
        ("GET", f"{PORTAL}/calls", {}, 401, "AUTHENTICATION_REQUIRED"),
        ("GET", f"{PORTAL}/calls", {"headers": {"Authorization": "Bearer x"}}, 401, "AUTHENTICATION_REQUIRED"),
    ],
)
async def test_every_failure_has_the_shape_of_the_document(
    server: Server, method: str, path: str, given: dict[str, Any], status: int, code: str
) -> None:
    response = await server.client.request(method, path, **given)
    body = await response.json()
    assert response.status == status, body
    check_error(body, code)
    assert response.headers["X-Request-ID"] == body["meta"]["request_id"]


async def test_missing_members_are_told_in_sentences(server: Server) -> None:
    response = await server.client.post(f"{PORTAL}/auth/login", json={"password": ""})
    error = check_error(await response.json(), "VALIDATION_ERROR")
    assert response.status == 422
    assert error["message"] == "The given data was invalid."
    assert error["details"] == {
        "email": ["The email field is required."],
        "password": ["The password field is required."],
    }


async def test_its_documents_are_below_its_base(server: Server) -> None:
    spec = await (await server.client.get(f"{PORTAL}/openapi.json")).json()
    assert spec["info"]["title"] == "Business Portal API"
    assert f"{PORTAL}/goals/{{id}}/update-progress" in spec["paths"]
    assert not any(path.startswith("/api/v1") for path in spec["paths"])
    page = await server.client.get(f"{PORTAL}/docs")
    assert "Business Portal API" in await page.text()
    host = await (await server.client.get("/openapi.json")).json()
    assert host["info"]["title"] == "VocalIQ API"


async def test_an_address_may_try_to_log_in_five_times_a_minute(start: Start) -> None:
    server = await start(relaxed=False)
    login = {"email": "ada@one.example", "password": "not hers"}
    for left in (4, 3, 2, 1, 0):
        response = await server.client.post(f"{PORTAL}/auth/login", json=login)
        assert response.status == 401
        assert response.headers["X-RateLimit-Limit"] == "5"
        assert response.headers["X-RateLimit-Remaining"] == str(left)
    refused = await server.client.post(f"{PORTAL}/auth/login", json=login)
    assert refused.status == 429
    check_error(await refused.json(), "RATE_LIMITED")
    assert int(refused.headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert int(refused.headers["Retry-After"]) >= 1


async def test_what_is_not_served_yet_says_so_to_who_may_ask(server: Server) -> None:
    login = {"email": "ada@one.example", "password": "ada-password"}
    granted = await (await server.client.post(f"{PORTAL}/auth/login", json=login)).json()
    headers = {"Authorization": f"Bearer {granted['token']}"}
    response = await server.client.get(f"{PORTAL}/billing", headers=headers)
    assert response.status == 503
    check_error(await response.json(), "SERVER_ERROR")
    login = {"email": "dora@one.example", "password": "dora-password"}
    granted = await (await server.client.post(f"{PORTAL}/auth/login", json=login)).json()
    assert granted["user"]["role"] == "staff"
    response = await server.client.get(f"{PORTAL}/billing", headers={"Authorization": f"Bearer {granted['token']}"})
    assert response.status == 403
    check_error(await response.json(), "UNAUTHORIZED")


async def test_a_deprecated_operation_says_so_in_three_headers(server: Server) -> None:
    async def answer(exchange: Exchange) -> Reply:
        return Reply({"old": True})

    info = "https://docs.example/deprecations"
    route = Route(
        method="GET",
        path=f"{PORTAL}/old",
        handler=answer,
        summary="",
        tag="test",
        auth=Auth.NONE,
        permission=None,
        deprecated=Deprecation("2025-06-01", info),
    )
    portal = next(one for one in server.surfaces if one.name == "portal")
    surface = msgspec.structs.replace(portal, routes=[route])
    app = web.Application(middlewares=[middleware([surface])])
    mount(app, surface, Limiter(relaxed=True), server.records.people.audit, Retelling(server.database))
    async with TestClient(TestServer(app)) as client:
        response = await client.get(f"{PORTAL}/old")
    assert response.status == 200
    assert response.headers["X-API-Deprecation"] == "true"
    assert response.headers["X-API-Deprecation-Date"] == "2025-06-01"
    assert response.headers["X-API-Deprecation-Info"] == info
    assert openapi.document(surface, "")["paths"][f"{PORTAL}/old"]["get"]["deprecated"] is True
    plain = await server.client.get(f"{PORTAL}/openapi.json")
    assert not any(name.startswith("X-API-Deprecation") for name in plain.headers)

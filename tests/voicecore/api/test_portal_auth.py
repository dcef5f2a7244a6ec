"""Document 000 "Authentication": registering, logging in, exchanging and ending tokens."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import Server
from portal_member import PASSWORD, Member, login, register

INVALID = "The given data was invalid."


async def test_registering_makes_user_and_company_and_logs_in(server: Server) -> None:
    body = {
        "name": "Jörg Hauptstraße 🦷",
        "email": "Joerg@Company.example",
        "password": PASSWORD,
        "company_name": "Zähne & Co",
        "phone": "+49123456789",
        "terms_accepted": True,
    }
    made = await Member(server).ask("POST", "/auth/register", 201, json=body)
    assert set(made) == {"token", "user", "company"}
    company_id = made["company"].pop("id")
    assert isinstance(company_id, int)
    assert company_id > 0
    assert made["company"] == {"name": "Zähne & Co", "settings": {}}
    user = made["user"]
    assert isinstance(user.pop("id"), int)
    permissions = user.pop("permissions")
    assert {"calls.view", "appointments.manage", "team.view", "team.manage"} <= set(permissions)
    assert user == {
        "name": "Jörg Hauptstraße 🦷",
        "email": "joerg@company.example",
        "company_id": company_id,
        "role": "admin",
        "two_factor_enabled": False,
    }
    again = await Member(server).ask("POST", "/auth/login", 200, json={"email": body["email"], "password": PASSWORD})
    assert again["user"]["company_id"] == company_id
    assert (await Member(server, again["token"]).get("/settings"))["company"]["name"] == "Zähne & Co"


@pytest.mark.parametrize(
    ("changes", "details"),
    [
        (
            {"email": None, "password": "short"},
            {
                "email": ["The email field is required."],
                "password": ["The password must be at least 8 characters."],
            },
        ),
        ({"email": "nobody"}, {"email": ["The email must be a valid email address."]}),
        ({"email": "ada@one.example"}, {"email": ["The email has already been taken."]}),
        ({"company_name": " "}, {"company_name": ["The company name field is required."]}),
        ({"terms_accepted": False}, {"terms_accepted": ["The terms accepted must be accepted."]}),
        ({"terms_accepted": "yes"}, {"terms_accepted": ["The terms accepted must be true or false."]}),
        ({"name": 7}, {"name": ["The name must be a string."]}),
    ],
)
async def test_registering_names_what_is_wrong(
    server: Server, changes: dict[str, Any], details: dict[str, list[str]]
) -> None:
    given: dict[str, Any] = {"name": "John", "email": "john@c.example", "password": PASSWORD, "company_name": "C"}
    body = {name: value for name, value in (given | changes).items() if value is not None}
    error = await Member(server).refused("POST", "/auth/register", 422, json=body)
    assert error == {"code": "VALIDATION_ERROR", "message": INVALID, "details": details}
    if "email" in changes and changes["email"] is None:
        nobody = {"email": "", "password": PASSWORD}
        error = await Member(server).refused("POST", "/auth/login", 422, json=nobody)
        assert error["details"] == {"email": ["The email field is required."]}


async def test_a_wrong_login_tells_nothing(server: Server) -> None:
    errors = [
        await Member(server).refused("POST", "/auth/login", 401, json={"email": email, "password": "wrong-password"})
        for email in ("ada@one.example", "nobody@one.example")
    ]
    assert errors[0] == errors[1]
    assert errors[0]["code"] == "AUTHENTICATION_REQUIRED"


async def test_a_token_is_exchanged_and_the_old_one_ends(server: Server) -> None:
    member = await register(server)
    fresh = await member.ask("POST", "/auth/refresh", 200)
    assert set(fresh) == {"token", "user", "company"}
    assert fresh["user"] == member.user
    assert (await member.refused("GET", "/settings", 401))["code"] == "AUTHENTICATION_REQUIRED"
    await member.refused("POST", "/auth/refresh", 401)
    renewed = Member(server, fresh["token"])
    await renewed.get("/settings")
    await renewed.ask("POST", "/auth/logout", 200)
    await renewed.refused("GET", "/settings", 401)
    await renewed.refused("POST", "/auth/refresh", 401)


async def test_tokens_of_other_surfaces_open_nothing_here(server: Server) -> None:
    headers = await server.headers()
    stranger = Member(server, headers["Authorization"].removeprefix("Bearer "))
    await stranger.refused("GET", "/settings", 401)
    await stranger.refused("POST", "/auth/refresh", 401)
    mine = await login(server, "ada@one.example", "ada-password")
    response = await server.client.get("/api/v1/agents/agent_1", headers={"Authorization": f"Bearer {mine.token}"})
    assert response.status == 401


async def test_roles_of_the_core_have_the_words_of_the_document(server: Server) -> None:
    ada = await login(server, "ada@one.example", "ada-password")
    dora = await login(server, "dora@one.example", "dora-password")
    assert (ada.user["role"], dora.user["role"]) == ("admin", "staff")
    assert ada.user["company_id"] == dora.user["company_id"]
    assert "calls.view" in dora.user["permissions"]
    assert "team.view" not in dora.user["permissions"]
    assert (await dora.refused("GET", "/team", 403))["code"] == "UNAUTHORIZED"
    assert (await dora.refused("PUT", "/settings", 403, json={}))["code"] == "UNAUTHORIZED"

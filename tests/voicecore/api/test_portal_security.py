"""Document 000 "Security": two-factor authentication and sessions."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pyotp
from api_server import Server
from portal_member import PASSWORD, Member, login, register

EMAIL = "john@company.example"
VERIFY, LOGIN = 0, 1  # steps of the clock: one after the other, and also where it ticks meanwhile


def code_of(secret: str, steps: int) -> str:
    """The authenticator's code, `steps` half minutes from now."""
    return pyotp.TOTP(secret).at(datetime.now(UTC), counter_offset=steps)


async def secured(server: Server) -> tuple[Member, dict[str, Any]]:
    """Somebody with a verified authenticator, and what he was told when he enabled it."""
    member = await register(server)
    enrolment = await member.ask("POST", "/security/2fa/enable", 200)
    await member.ask("POST", "/security/2fa/verify", 200, json={"code": code_of(enrolment["secret"], VERIFY)})
    return member, enrolment


async def test_enabling_alone_demands_nothing_verifying_does(server: Server) -> None:
    member = await register(server)
    enrolment = await member.ask("POST", "/security/2fa/enable", 200)
    assert set(enrolment) == {"secret", "qr_code", "recovery_codes"}
    head, _, picture = enrolment["qr_code"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(picture, validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    assert len(base64.b32decode(enrolment["secret"])) >= 16  # RFC 4226 §4: at least 128 bits
    codes = enrolment["recovery_codes"]
    assert len(set(codes)) == len(codes) >= 2
    assert all(len(code) == 10 for code in codes)
    assert (await login(server, EMAIL)).user["two_factor_enabled"] is False
    error = await member.refused("POST", "/security/2fa/verify", 422, json={"code": "000000x"})
    assert set(error["details"]) == {"code"}
    await member.ask("POST", "/security/2fa/verify", 200, json={"code": code_of(enrolment["secret"], VERIFY)})
    body = {"email": EMAIL, "password": PASSWORD}
    error = await Member(server).refused("POST", "/auth/login", 422, json=body)
    assert error["details"] == {"two_factor_code": ["The two factor code field is required."]}
    await Member(server).refused("POST", "/auth/login", 401, json=body | {"two_factor_code": "123"})
    wrong = {"email": EMAIL, "password": "another-password", "two_factor_code": code_of(enrolment["secret"], LOGIN)}
    await Member(server).refused("POST", "/auth/login", 401, json=wrong)
    again = await login(server, EMAIL, two_factor_code=code_of(enrolment["secret"], LOGIN))
    assert again.user["two_factor_enabled"] is True


async def test_a_code_is_good_once(server: Server) -> None:
    _, enrolment = await secured(server)
    code = code_of(enrolment["secret"], LOGIN)
    await login(server, EMAIL, two_factor_code=code)
    for used in (code, code_of(enrolment["secret"], VERIFY)):  # a later one was used: earlier ones are over
        body = {"email": EMAIL, "password": PASSWORD, "two_factor_code": used}
        await Member(server).refused("POST", "/auth/login", 401, json=body)
    recovery = enrolment["recovery_codes"][0]
    await login(server, EMAIL, two_factor_code=recovery.upper())
    body = {"email": EMAIL, "password": PASSWORD, "two_factor_code": recovery}
    await Member(server).refused("POST", "/auth/login", 401, json=body)
    await login(server, EMAIL, two_factor_code=enrolment["recovery_codes"][1])


async def test_another_authenticator_needs_the_one_in_use(server: Server) -> None:
    member, enrolment = await secured(server)
    error = await member.refused("POST", "/security/2fa/enable", 422)
    assert error["details"] == {"code": ["The code field is required."]}
    await member.refused("POST", "/security/2fa/enable", 422, json={"code": "123456"})
    proof = {"code": enrolment["recovery_codes"][0]}
    second = await member.ask("POST", "/security/2fa/enable", 200, json=proof)
    await login(server, EMAIL, two_factor_code=code_of(enrolment["secret"], LOGIN))  # as long as the other waits
    await member.ask("POST", "/security/2fa/verify", 200, json={"code": code_of(second["secret"], VERIFY)})
    for old in (code_of(enrolment["secret"], LOGIN), enrolment["recovery_codes"][1]):
        body = {"email": EMAIL, "password": PASSWORD, "two_factor_code": old}
        await Member(server).refused("POST", "/auth/login", 401, json=body)
    await login(server, EMAIL, two_factor_code=second["recovery_codes"][0])


async def test_no_surface_lets_him_in_by_password_alone(server: Server) -> None:
    _, enrolment = await secured(server)
    codes = iter(enrolment["recovery_codes"])
    for path, name in (
        ("/api/v1/auth/login", "username"),
        ("/receptionist/api/auth/login", "email"),
        ("/dashboard/api/auth/login", "email"),
        ("/crm/api/auth/login", "email"),
    ):
        body = {name: EMAIL, "password": PASSWORD}
        response = await server.client.post(path, json=body)
        assert response.status == 401, (path, await response.text())
        response = await server.client.post(path, json=body | {"two_factor_code": next(codes)})
        assert response.status == 200, (path, await response.text())


async def test_secrets_are_stored_sealed_and_codes_hashed(server: Server) -> None:
    _, enrolment = await secured(server)
    async with server.database.read() as connection:
        stored = [
            str(tuple(row))
            for table in ("second_factors", "recovery_codes", "audit_entries")
            for row in (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()
        ]
    assert stored
    for secret in (enrolment["secret"], *enrolment["recovery_codes"]):
        assert not any(secret in row for row in stored)
    assert await server.secrets.rotate() >= 1
    await login(server, EMAIL, two_factor_code=code_of(enrolment["secret"], LOGIN))


async def test_sessions_are_listed_and_a_terminated_one_is_dead_at_once(server: Server) -> None:
    here = await register(server)
    there = await login(server, EMAIL)
    listing = await here.get("/security/sessions")
    assert listing["meta"]["total"] == 2
    one, other = listing["data"]
    assert (one["current"], other["current"]) == (False, True)
    assert one["ip_address"] == "127.0.0.1"
    assert "aiohttp" in one["user_agent"]
    assert one["last_activity"].endswith("Z")
    assert one["created_at"] <= one["last_activity"] < one["expires_at"]
    stranger = await register(server, "eve@other.example")
    await stranger.refused("DELETE", f"/security/sessions/{one['id']}", 404)
    await there.get("/settings")
    await here.ask("DELETE", f"/security/sessions/{one['id']}", 200)
    await there.refused("GET", "/settings", 401)
    await here.refused("DELETE", f"/security/sessions/{one['id']}", 404)
    await here.refused("DELETE", "/security/sessions/none", 404)
    assert [row["id"] for row in (await here.get("/security/sessions"))["data"]] == [other["id"]]

"""Nothing of a person and nothing secret in the log of a server whose every route was used, rightly and wrongly."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import msgspec
import pytest
import structlog
from api_server import Server
from every_route import ADA, ask, filled, grant, routes

from voicecore.logs import configure

NAME, PHONE, EMAIL, SECRET = "Erika Musterfrau", "+4915155501234", "erika@private.example", "hunter2-is-secret"
WORDS = {"phone": PHONE, "number": PHONE, "email": EMAIL, "username": EMAIL, "password": SECRET, "secret": SECRET}
WORDS |= {"token": SECRET, "key": SECRET, "code": SECRET, "sid": SECRET}


def body_of(kind: type[msgspec.Struct] | None) -> dict[str, Any]:
    """Every member that can be a string tells who it is about."""
    found = {}
    for field in msgspec.structs.fields(kind) if kind is not None else ():
        name = field.encode_name
        word = next((text for part, text in WORDS.items() if part in name.lower()), NAME)
        try:
            found[name] = msgspec.convert(word, field.type)
        except msgspec.ValidationError:
            if field.required:
                found[name] = word
    return found


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_the_log_names_nobody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(logging.getLogger("aiohttp.access"), "disabled", True)  # the server has none (`app.py`)
    configure("debug")
    structlog.configure(cache_logger_on_first_use=False)  # later tests set up their own
    tokens, statuses = [], set()
    for surface in server.surfaces:
        granted = await grant(server, surface, ADA)
        tokens += [granted.access_token, granted.refresh_token]
        for owner, route in routes(server):
            if owner is surface and not route.path.endswith("/logout"):
                body = body_of(route.body)
                query = "?" + "&".join(f"{name}={PHONE}" for name in ("search", "phone", "q", "signature"))
                for token in (granted.access_token, SECRET):
                    path = filled(route) + (query if token == SECRET else "")
                    statuses.add((await ask(server, surface, route.method, path, token, json=body))[0])
    async with server.client.get("/api/v1/crash", headers={"Authorization": f"Bearer {tokens[0]}"}) as response:
        assert response.status == 500
    structlog.get_logger("voicecore.after").info("the log still works")
    written = log.getvalue()
    assert "request_crashed" in written  # it is the log
    assert "the log still works" in written
    assert {200, 401, 404} <= statuses
    for word in (NAME, PHONE, PHONE[1:], EMAIL, SECRET, "ada@one.example", "ada-password", *tokens):
        assert word not in written, [line for line in written.splitlines() if word in line][:3]

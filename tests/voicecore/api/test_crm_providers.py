"""Document 003, the exchanges: configured and tried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import Server
from crm_desk import BOB, DORA, PROVIDER, login

from voicecore.destinations import Destinations
from voicecore.services.secret_store import SecretStore
from voicecore.sip_options import Knocker


async def test_a_providers_password_goes_in_sealed_and_never_comes_out(server: Server) -> None:
    crm = await login(server)
    made = await crm.made("/telephony/providers", PROVIDER)
    assert {name: made[name] for name in PROVIDER if name != "password"} == {
        name: value for name, value in PROVIDER.items() if name != "password"
    }
    assert made["has_password"] is True
    listed = await crm.get("/telephony/providers")
    assert listed["data"] == [made]
    assert listed["meta"]["total"] == 1
    assert PROVIDER["password"] not in json.dumps([made, listed])
    async with server.database.read() as connection:
        sealed = (await connection.execute(sa.text("SELECT sealed_password FROM telephony_providers"))).scalar_one()
        trail = (await connection.execute(sa.text("SELECT changes FROM audit_entries"))).scalars().all()
    assert PROVIDER["password"] not in sealed
    assert PROVIDER["password"] not in str(trail)
    newer = SecretStore(server.database, [b"a newer key", b"a key of the tests"])
    await newer.rotate()
    async with server.database.read() as connection:
        resealed = (await connection.execute(sa.text("SELECT sealed_password FROM telephony_providers"))).scalar_one()
    assert SecretStore(server.database, [b"a newer key"]).unseal(resealed, "it") == PROVIDER["password"]
    bob = await login(server, BOB)
    assert (await bob.get("/telephony/providers"))["data"] == []
    await bob.refused("POST", f"/telephony/providers/{made['id']}/test", 404, "RESOURCE_NOT_FOUND")
    dora = await login(server, DORA)
    await dora.refused("POST", "/telephony/providers", 403, "AUTHORIZATION_FAILED", json=PROVIDER)


async def test_wrong_providers(server: Server) -> None:
    crm = await login(server)
    wrong: list[tuple[str, Any]] = [("name", ""), ("provider_type", ""), ("host", "a b"), ("port", 0), ("port", 65536)]
    for field, value in [*wrong, ("port", "5060"), ("password", 5)]:
        error = await crm.refused(
            "POST", "/telephony/providers", 400, "VALIDATION_ERROR", json=PROVIDER | {field: value}
        )
        assert error["details"]["field"] == field
    for field in ("name", "provider_type", "host"):
        missing = {name: value for name, value in PROVIDER.items() if name != field}
        error = await crm.refused("POST", "/telephony/providers", 400, "VALIDATION_ERROR", json=missing)
        assert error["details"] == {"field": field, "reason": "required"}


class Exchange(asyncio.DatagramProtocol):
    """An Asterisk that answers every OPTIONS."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.request = data.decode()
        self.transport.sendto(b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", addr)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Exchange, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()


async def test_an_exchange_that_answers_is_connected(server: Server, exchange: Exchange) -> None:
    crm = await login(server)
    port = exchange.transport.get_extra_info("sockname")[1]
    made = await crm.made("/telephony/providers", PROVIDER | {"port": port})
    tested = (await crm.ask("POST", f"/telephony/providers/{made['id']}/test", 200))["data"]
    assert tested["latency_ms"] >= 0
    assert {name: tested[name] for name in ("provider_id", "connected", "status", "transport", "answer")} == {
        "provider_id": made["id"],
        "connected": True,
        "status": "connected",
        "transport": "udp",
        "answer": "SIP/2.0 200 OK",
    }
    assert exchange.request.startswith(f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n")
    assert "branch=z9hG4bK" in exchange.request
    assert PROVIDER["password"] not in exchange.request


async def test_an_exchange_that_is_not_there_is_no_error(server: Server, exchange: Exchange) -> None:
    crm = await login(server)
    port = exchange.transport.get_extra_info("sockname")[1]
    exchange.transport.close()
    made = await crm.made("/telephony/providers", PROVIDER | {"port": port})
    tested = (await crm.ask("POST", f"/telephony/providers/{made['id']}/test", 200))["data"]
    assert (tested["connected"], tested["status"], tested["transport"], tested["answer"]) == (
        False, "failed", None, None,
    )  # fmt: skip
    assert tested["message"].startswith("Connection failed: ")
    await crm.refused("POST", "/telephony/providers/999999/test", 404, "RESOURCE_NOT_FOUND")


async def test_our_own_network_is_not_knocked_at_unless_it_is_allowed(exchange: Exchange) -> None:
    port = exchange.transport.get_extra_info("sockname")[1]
    for host in ("127.0.0.1", "localhost", "::1"):
        found = await Knocker(Destinations(allow_private=False))(host, port)
        assert (found.reached, found.problem) == (False, "not a public address")
    assert not hasattr(exchange, "request")

"""Document 001, Salesforce, HubSpot and Dynamics 365: connecting, over real HTTP with the vendors' emulators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from api_server import Server, Start
from crm_house import KINDS, CrmHouse, emulators, house_of, query_of, settings
from dashboard_desk import Board, login, register

from benchmarks.emulators.base import Fault
from config.crms import IntegrationSettings, SalesforceSettings
from pipelines.errors import ConfigError
from voicecore.domain.integrations import CrmUnavailable
from voicecore.integrations.office import crm_office
from voicecore.services.secret_store import SecretStore

TITLES = {"salesforce": "Salesforce", "hubspot": "HubSpot", "dynamics": "Dynamics 365"}


@pytest.fixture
async def house(start: Start, tmp_path: Path) -> AsyncIterator[CrmHouse]:
    (tmp_path / "app-secret").write_text("app-secret\n")
    async with emulators() as vendors:
        server = await start(integrations=settings(vendors, f"file:{tmp_path / 'app-secret'}"))
        async with house_of(server, vendors) as made:
            yield made


async def test_without_settings_the_pages_are_the_vendors_own(server: Server) -> None:
    board = await login(server, "ada@one.example")
    url = (await board.get("/salesforce/oauth/initiate"))["authUrl"]
    assert url.startswith("https://login.salesforce.com/services/oauth2/authorize?")
    url = (await board.get("/hubspot/oauth/initiate"))["authUrl"]
    assert url.startswith("https://app.hubspot.com/oauth/authorize?")
    url = (await board.get("/dynamics/oauth/initiate", instanceUrl="https://orgname.crm.dynamics.com/main.aspx"))[
        "authUrl"
    ]
    assert url.startswith("https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?")
    query = query_of(url)
    assert query["scope"] == "https://orgname.crm.dynamics.com/user_impersonation offline_access"
    assert query["redirect_uri"].endswith("/dashboard/api/dynamics/oauth/callback")
    assert (query["code_challenge_method"], len(query["code_challenge"])) == ("S256", 43)


@pytest.mark.parametrize("kind", KINDS)
async def test_connecting_and_disconnecting(house: CrmHouse, kind: str) -> None:
    assert await house.board.get(f"/{kind}/status") == {"connected": False}
    assert await house.board.get(f"/{kind}/sync-logs") == []
    await house.connect(kind)
    status = await house.board.get(f"/{kind}/status")
    assert len(status.pop("connectedAt")) == len("2025-01-15T10:30:00Z")
    vendor = house.vendor(kind)
    assert (
        status
        == {
            "salesforce": {"connected": True, "email": "user@salesforce.example", "instanceUrl": vendor.url},
            "hubspot": {"connected": True},
            "dynamics": {"connected": True, "instanceUrl": vendor.url},
        }[kind]
    )
    other = await login(house.server, "bob@two.example")
    assert await other.get(f"/{kind}/status") == {"connected": False}
    await other.ask("DELETE", f"/{kind}/disconnect")
    assert await house.connected(kind)
    expected = {"success": True, "message": f"{TITLES[kind]} disconnected successfully"}
    for _ in range(2):  # the second time there is nothing to disconnect
        assert await house.board.ask("DELETE", f"/{kind}/disconnect") == expected
    assert await house.board.get(f"/{kind}/status") == {"connected": False}
    assert len(vendor.refresh_tokens) == (1 if kind == "dynamics" else 0)  # the others can revoke


async def test_tokens_are_stored_sealed_and_sealed_anew_when_keys_rotate(house: CrmHouse) -> None:
    await house.connect("hubspot")

    async def stored() -> str:
        async with house.server.database.read() as connection:
            return str((await connection.execute(sa.text("SELECT sealed_tokens FROM integrations"))).scalar_one())

    before = await stored()
    assert not any(token in before for token in house.vendor("hubspot").access_tokens)
    keys = [b"another key", b"a key of the tests"]
    assert await SecretStore(house.server.database, keys).rotate() == 1
    assert await stored() != before
    assert "at-" in SecretStore(house.server.database, keys[:1]).unseal(await stored(), "integration")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_callback_with_a_state_that_we_did_not_give_connects_nobody(house: CrmHouse, kind: str) -> None:
    """Analysis §5, row 31."""
    nobody = Board(house.server)
    url = await house.auth_url(kind)
    state = query_of(url)["state"]
    header, claims, signature = state.split(".")
    for wrong in ("bogus", "", "a.b.c", f"{header}.{claims}.{signature[::-1]}", f"{header}.{claims}.", "\u00fc" * 20):
        answer = await nobody.ask("GET", f"/{kind}/oauth/callback", 400, params={"state": wrong, "code": "x"})
        assert set(answer) == {"error"}
    await nobody.ask("GET", f"/{kind}/oauth/callback", 400)
    assert not house.vendor(kind).requests  # nobody was asked for a token
    assert not await house.connected(kind)
    foreign = next(other for other in KINDS if other != kind)
    answer = await nobody.ask("GET", f"/{foreign}/oauth/callback", 400, params={"state": state, "code": "x"})
    assert answer == {"error": "Invalid or expired state"}
    back = await house.consent(url)  # the true one is still good
    assert (await house.visit(back))[0] == 200
    assert (await house.visit(back))[0] == 400  # once
    assert await house.connected(kind)


async def test_a_state_dies_of_age(house: CrmHouse) -> None:
    back = await house.consent(await house.auth_url("hubspot"))
    async with house.server.database.write() as connection:
        await connection.execute(sa.text("UPDATE authorization_requests SET expires_at = created_at"))
    assert (await house.visit(back))[0] == 400
    assert not await house.connected("hubspot")


async def test_a_state_is_worth_nothing_once_its_user_may_not_configure_the_workspace(house: CrmHouse) -> None:
    back = await house.consent(await house.auth_url("hubspot"))
    async with house.server.database.write() as connection:
        await connection.execute(sa.text("""UPDATE memberships SET roles = '["user"]'"""))
    status, text = await house.visit(back)
    assert (status, "may not connect" in text) == (400, True)
    async with house.server.database.read() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM integrations"))).scalar_one() == 0


async def test_a_user_who_says_no_is_not_connected(house: CrmHouse) -> None:
    house.vendor("salesforce").consents = False
    status, text = await house.visit(await house.consent(await house.auth_url("salesforce")))
    assert (status, "access_denied" in text) == (400, True)
    assert not await house.connected("salesforce")


async def test_what_the_vendor_does_not_take_connects_nobody(house: CrmHouse) -> None:
    vendor = house.vendor("hubspot")
    back = await house.consent(await house.auth_url("hubspot"))
    vendor.codes.clear()
    status, text = await house.visit(back)
    assert (status, "expired authorization code" in text) == (400, True)
    back = await house.consent(await house.auth_url("hubspot"))
    next(iter(vendor.codes.values())).challenge = "x" * 43  # somebody else's code
    status, text = await house.visit(back)
    assert (status, "invalid code verifier" in text) == (400, True)
    vendor.token_fault = Fault.SERVER_ERROR
    assert (await house.visit(await house.consent(await house.auth_url("hubspot"))))[0] == 503
    vendor.token_fault = Fault.NONE
    vendor.client_secret = "another"
    assert (await house.visit(await house.consent(await house.auth_url("hubspot"))))[0] == 503
    assert not await house.connected("hubspot")


async def test_connecting_again_replaces_the_connection(house: CrmHouse) -> None:
    await house.connect("dynamics")
    await house.connect("dynamics")
    async with house.server.database.read() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM integrations"))).scalar_one() == 1
    await house.board.ask("DELETE", "/dynamics/disconnect")
    await house.connect("dynamics")
    assert await house.connected("dynamics")


@pytest.mark.parametrize(
    "instance",
    ["", "orgname.crm.dynamics.com", "ftp://x.example", "https://", "https://user:pw@x.example", "http://[::1", "ü"],
)
async def test_an_instance_must_be_an_address(house: CrmHouse, instance: str) -> None:
    """Analysis §5, row 30."""
    answer = await house.board.ask("GET", "/dynamics/oauth/initiate", 400, params={"instanceUrl": instance})
    assert answer["error"].startswith("instanceUrl")
    answer = await house.board.ask("GET", "/dynamics/oauth/initiate", 400)
    assert answer == {"error": "instanceUrl is required"}


async def test_an_instance_in_our_own_network_is_refused_where_that_is_not_allowed(house: CrmHouse) -> None:
    server = house.server
    store = SecretStore(server.database, [b"a key of the tests"])
    office = crm_office(IntegrationSettings(), server.database, server.tokens, store, allow_private=False)
    integrations = server.dealings.crm.integrations
    integrations._check, integrations._plain = office.integrations._check, False
    for instance in (
        "https://127.0.0.1",
        "https://localhost",
        "https://169.254.169.254/x",
        "https://[::1]:1/",
        "http://crm.example",
    ):
        answer = await house.board.ask("GET", "/dynamics/oauth/initiate", 400, params={"instanceUrl": instance})
        assert answer["error"].startswith("instanceUrl must")


async def test_who_may(house: CrmHouse) -> None:
    nobody, dora = Board(house.server), await login(house.server, "dora@one.example")
    for kind in KINDS:
        for method, path in (
            ("GET", "oauth/initiate"),
            ("GET", "status"),
            ("GET", "sync-logs"),
            ("DELETE", "disconnect"),
            ("POST", "sync-logs/sync_1/redeliver"),
        ):
            assert set(await nobody.ask(method, f"/{kind}/{path}", 401)) == {"error"}
            if path not in ("status", "sync-logs"):
                await dora.ask(method, f"/{kind}/{path}", 403)
        await dora.get(f"/{kind}/status")
    mine = await register(house.server)
    assert (await mine.get("/hubspot/oauth/initiate"))["authUrl"]


async def test_one_refresh_serves_all_who_wait_for_it(house: CrmHouse) -> None:
    await house.connect("hubspot")
    vendor, tokens = house.vendor("hubspot"), house.server.dealings.crm.courier._tokens
    async with house.server.database.read() as connection:
        uid = str((await connection.execute(sa.text("SELECT uid FROM integrations"))).scalar_one())
    old = await tokens.access_token(uid)
    vendor.expire()
    vendor.rotates = True
    fresh = await asyncio.gather(*(tokens.access_token(uid, refused=old) for _ in range(5)))
    assert (len(set(fresh)), vendor.refreshes) == (1, 1)
    assert fresh[0] != old
    async with house.server.database.write() as connection:
        await connection.execute(sa.text("UPDATE integrations SET expires_at = created_at"))
    assert await tokens.access_token(uid) not in fresh  # before it ends, not after
    async with house.server.database.write() as connection:
        await connection.execute(
            sa.text("UPDATE integrations SET expires_at = created_at, renewing_until = '2100-01-01'")
        )
    with pytest.raises(CrmUnavailable):  # another process is at it
        await tokens.access_token(uid)


def test_a_secret_stands_not_in_the_settings(tmp_path: Path) -> None:
    wrong = IntegrationSettings(salesforce=SalesforceSettings(client_secret="s3cret"))
    assert "s3cret" not in repr(wrong)
    with pytest.raises(ConfigError) as caught:
        crm_office(wrong, None, None, None, allow_private=False)  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)

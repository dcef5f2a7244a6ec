"""A server beside the three CRMs' emulators, and a user with a browser."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import sqlalchemy as sa
from api_server import Server
from dashboard_desk import Board, login

from benchmarks.emulators.dynamics import DynamicsEmulator
from benchmarks.emulators.hubspot import HubspotEmulator
from benchmarks.emulators.oauth import OauthEmulator
from benchmarks.emulators.salesforce import SalesforceEmulator
from config.crms import DynamicsSettings, HubspotSettings, IntegrationSettings, SalesforceSettings
from pipelines.events import EndReason
from pipelines.timing import Turn
from voicecore.domain.calls import Direction

KINDS = ("salesforce", "hubspot", "dynamics")
CALLER = "+491701111111"
ADA = "ada@one.example"


class CrmHouse:
    """`board` is Ada's, who administers org_one."""

    def __init__(self, server: Server, vendors: dict[str, Any], browser: aiohttp.ClientSession) -> None:
        self.server = server
        self.vendors = vendors
        self.browser = browser
        self.board = Board(server)

    def vendor(self, kind: str) -> Any:
        return self.vendors[kind]

    async def auth_url(self, kind: str, board: Board | None = None) -> str:
        query = {"instanceUrl": self.vendors[kind].url} if kind == "dynamics" else {}
        answer = await (board or self.board).get(f"/{kind}/oauth/initiate", **query)
        assert set(answer) == {"authUrl"}
        return str(answer["authUrl"])

    async def consent(self, auth_url: str) -> str:
        """The user agrees at the vendor's page; where he is sent then."""
        async with self.browser.get(auth_url, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            return str(response.headers["Location"])

    async def visit(self, url: str) -> tuple[int, str]:
        async with self.browser.get(url, allow_redirects=False) as response:
            return response.status, await response.text()

    async def connect(self, kind: str, board: Board | None = None) -> None:
        status, page = await self.visit(await self.consent(await self.auth_url(kind, board)))
        assert (status, "connected" in page) == (200, True), page

    async def connected(self, kind: str) -> bool:
        return bool((await self.board.get(f"/{kind}/status"))["connected"])

    async def call(
        self, number: str = CALLER, *, said: str = "I want to book", reason: EndReason = EndReason.CALLER_HANGUP
    ) -> str:
        """One that just ended; its id as this surface shows it."""
        async with self.server.database.read() as connection:
            query = sa.text("SELECT uid FROM organizations WHERE external_id = 'org_one'")
            owner = str((await connection.execute(query)).scalar_one())
        agent = await self.server.agents.get(owner, "agent_1")
        journal = self.server.log.open(agent, from_number=number, to_number="+49309876543", direction=Direction.INBOUND)
        journal.answered()
        journal.turn_finished(Turn(index=0, started_ms=0.0, caller_text=said, heard_text="Hello Straße 🦷"))
        journal.ended(reason, 10.0)
        await self.server.writer.flush()
        return journal.call.uid

    async def push(self, *, at_once: bool = True) -> None:
        """What is due is sent; with `at_once`, so is what waits."""
        if at_once:
            await self.make_due()
        await self.server.dealings.crm.courier.step()
        await self.server.dealings.crm.courier.idle()

    async def make_due(self) -> None:
        statement = "UPDATE sync_logs SET next_at = '2020-01-01 00:00:00+00:00' WHERE next_at IS NOT NULL"
        if self.server.database.kind.name == "sqlite":
            statement = statement.replace("+00:00", ".000000")
        async with self.server.database.write() as connection:
            await connection.execute(sa.text(statement))

    async def logs(self, kind: str) -> list[dict[str, Any]]:
        return list(await self.board.get(f"/{kind}/sync-logs"))

    async def errors(self) -> list[str]:
        async with self.server.database.read() as connection:
            query = sa.text("SELECT last_error FROM sync_logs ORDER BY seq")
            return list((await connection.execute(query)).scalars())


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def settings(vendors: dict[str, OauthEmulator], secret: str) -> IntegrationSettings:
    app = {"client_id": "app", "client_secret": secret}
    hubspot = vendors["hubspot"].url
    return IntegrationSettings(
        salesforce=SalesforceSettings(login_url=vendors["salesforce"].url, **app),
        hubspot=HubspotSettings(login_url=hubspot, api_url=hubspot, **app),
        dynamics=DynamicsSettings(login_url=vendors["dynamics"].url, **app),
    )


@contextlib.asynccontextmanager
async def emulators() -> AsyncIterator[dict[str, Any]]:
    async with SalesforceEmulator() as salesforce, HubspotEmulator() as hubspot, DynamicsEmulator() as dynamics:
        yield {"salesforce": salesforce, "hubspot": hubspot, "dynamics": dynamics}


@contextlib.asynccontextmanager
async def house_of(server: Server, vendors: dict[str, Any]) -> AsyncIterator[CrmHouse]:
    async with aiohttp.ClientSession() as browser:
        house = CrmHouse(server, vendors, browser)
        house.board = await login(server, ADA)
        yield house

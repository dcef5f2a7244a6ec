"""The whole REST side on a loopback port: real database, real sockets, real tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry

from voicecore.api.infrastructure import add_infrastructure
from voicecore.api.kit import Exchange, Route
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics, WriterMetrics
from voicecore.api.mount import middleware, mount
from voicecore.api.vocaliq import surface as vocaliq
from voicecore.fellows import Alone
from voicecore.figures import Figures
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments
from voicecore.services.call_log import CallLog
from voicecore.services.calls import Calls
from voicecore.services.passwords import Passwords
from voicecore.services.tokens import Tokens, load_secret
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer

SEED = Path(__file__).parent / "seed.yaml"


def cheap_passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), workers=1)


class NoCalls:
    """No call runs here."""

    async def hang_up(self, call_id: str) -> bool:
        return False


class Server:
    """What a test may want to reach behind the sockets."""

    def __init__(self, directory: Path, database: Database, writer: Writer, relaxed: bool) -> None:
        self.directory = directory
        self.database = database
        self.writer = writer
        self.passwords = cheap_passwords()
        self.tokens = Tokens(load_secret(directory / "secret"))
        self.accounts = Accounts(database, self.passwords, self.tokens)
        self.agents = Agents(database)
        self.appointments = Appointments(database)
        self.log = CallLog(writer)
        self.recordings = directory / "recordings"
        self.recordings.mkdir()
        self.client = self._client(relaxed)

    def _client(self, relaxed: bool) -> TestClient[Any, Any]:
        surface = vocaliq.build(
            live=NoCalls(),
            accounts=self.accounts,
            agents=self.agents,
            calls=Calls(self.database),
            appointments=self.appointments,
            tokens=self.tokens,
            recordings=self.recordings,
        )

        async def crash(exchange: Exchange) -> None:
            raise RuntimeError("the secret inside")

        surface.routes.append(  # type: ignore[attr-defined]
            Route(method="GET", path="/api/v1/crash", handler=crash, summary="", tag="test")
        )
        registry = CollectorRegistry()
        registry.register(WriterMetrics(self.writer))
        app = web.Application(middlewares=[middleware([surface], HttpMetrics(registry))])
        mount(app, surface, Limiter(relaxed=relaxed))
        add_infrastructure(app, Figures(registry, Alone()).text, {"database": self._database_check})
        return TestClient(TestServer(app))

    async def _database_check(self) -> str:
        await self.database.ping()
        return ""

    async def login(self, username: str, password: str) -> dict[str, Any]:
        response = await self.client.post("/api/v1/auth/login", json={"username": username, "password": password})
        assert response.status == 200, await response.text()
        return await response.json()

    async def headers(self, who: str = "ada@one.example") -> dict[str, str]:
        tokens = await self.login(who, who.partition("@")[0] + "-password")
        return {"Authorization": f"Bearer {tokens['access_token']}"}


Start = Callable[..., Awaitable[Server]]

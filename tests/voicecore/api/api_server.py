"""The whole REST side on a loopback port: real database, real sockets, real tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from database_copies import cheap_passwords
from prometheus_client import CollectorRegistry

from config.crms import IntegrationSettings
from config.schema import (
    AdmissionSettings,
    CarrierSettings,
    PipelineSettings,
    SimulatedCarrierSettings,
    StageSettings,
)
from pipelines.engines import EngineRoom
from voicecore.admission import Admission
from voicecore.api.infrastructure import add_infrastructure
from voicecore.api.kit import Exchange, Route
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics, WriterMetrics
from voicecore.carriers.simulated import SimulatedCarrier
from voicecore.dealings import DEFAULT_INTEGRATIONS, dealings
from voicecore.fellows import Alone
from voicecore.figures import Figures
from voicecore.live import LiveCalls
from voicecore.records import Records
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.analyses import Analyses
from voicecore.services.appointments import Appointments
from voicecore.services.briefing import Briefings
from voicecore.services.businesses import Businesses
from voicecore.services.call_log import CallLog
from voicecore.services.calls import Calls
from voicecore.services.concurrency import Concurrency
from voicecore.services.embeddings import Embeddings
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.login_guard import LoginGuard
from voicecore.services.outbound import Outbound
from voicecore.services.people import people
from voicecore.services.retelling import Retelling
from voicecore.services.second_factors import SecondFactors
from voicecore.services.secret_store import SecretStore
from voicecore.services.tokens import Tokens, load_secret
from voicecore.services.transfers import Transfers
from voicecore.services.windows import Windows
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer
from voicecore.surfaces import House, application, surfaces

SEED = Path(__file__).parent / "seed.yaml"


def _simulated(stage: str, **options: object) -> StageSettings:
    return StageSettings(provider="simulated", options={stage: options})


# The real brain; ears and voice that answer at once.
PIPELINE = PipelineSettings(
    vad=StageSettings(provider="webrtc"),
    stt=_simulated("stt", finish_ms=0, texts=["when do you open"]),
    llm=StageSettings(provider="receptionist"),
    tts=_simulated("tts", first_audio_ms=0, realtime_factor=1000, ms_per_character=5),
)


class Server:
    """What a test may want to reach behind the sockets."""

    def __init__(
        self,
        directory: Path,
        database: Database,
        writer: Writer,
        relaxed: bool,
        open_call_log: bool = True,
        integrations: IntegrationSettings = DEFAULT_INTEGRATIONS,
        origins: tuple[str, ...] = (),
        limits_url: str = "",
        embeddings: Embeddings | None = None,
    ) -> None:
        self.origins = origins
        self.directory = directory
        self.database = database
        self.writer = writer
        self.passwords = cheap_passwords()
        self.tokens = Tokens(load_secret(directory / "secret"))
        self.secrets = SecretStore(database, [b"a key of the tests"])
        self.second_factors = SecondFactors(database, self.secrets, self.passwords)
        self.windows = Windows(limits_url)
        guard = LoginGuard(None if relaxed else self.windows)
        self.accounts = Accounts(database, self.passwords, self.tokens, self.second_factors, guard)
        self.agents = Agents(database)
        self.appointments = Appointments(database)
        self.log = CallLog(writer)
        self.recordings = directory / "recordings"
        self.recordings.mkdir()
        self.engines = EngineRoom({"test": PIPELINE}, "test")
        self.knowledge = KnowledgeBase(database, embeddings)
        self.briefings = Briefings(database, self.agents, self.appointments, self.knowledge)
        self.records = Records(
            database=database,
            call_log=self.log,
            accounts=self.accounts,
            people=people(database, self.passwords, self.accounts, self.second_factors),
            secrets=self.secrets,
            agents=self.agents,
            analyses=Analyses(database),
            concurrency=Concurrency(database),
            businesses=Businesses(database),
            calls=Calls(database),
            appointments=self.appointments,
            knowledge=self.knowledge,
            tokens=self.tokens,
            windows=self.windows,
        )
        self.dealings = dealings(
            self.records,
            self.engines,
            self.briefings,
            self.secrets,
            directory,
            self.recordings,
            *self._calling(),
            allow_private=True,
            public_url="",
            base=lambda: str(self.client.make_url("")).rstrip("/"),
            integrations=integrations,
        )
        self.client = self._client(relaxed, open_call_log)

    async def close(self) -> None:
        await self.dealings.chores.close()
        await self.knowledge.close()
        await self.carrier.close()
        await self.client.close()
        await self.briefings.close()
        await self.engines.close()
        await self.windows.close()
        await self.writer.stop()
        self.passwords.close()
        await self.database.close()

    def _calling(self) -> tuple[Outbound, Transfers]:
        """A carrier whose telephones ring for a minute: there is no media socket here that could talk to somebody."""
        simulated = SimulatedCarrierSettings(ring_ms=60_000)
        base = lambda: str(self.client.make_url("")).rstrip("/")  # noqa: E731
        self.carrier = SimulatedCarrier(simulated, Alone(), base)
        admission = Admission(
            AdmissionSettings(), loop_lag_ms=lambda: 0.0, engine_backlog_ms=lambda: 0.0, now_ms=lambda: 0.0
        )
        common = (self.database, CarrierSettings(ring_s=60), self.tokens, self.carrier, LiveCalls(Alone()))
        return Outbound(*common, admission, base), Transfers(*common, base)

    def _client(self, relaxed: bool, open_call_log: bool) -> TestClient[Any, Any]:
        house = House(
            records=self.records,
            dealings=self.dealings,
            recordings=self.recordings,
            open_call_log=open_call_log,
        )
        self.surfaces = built = surfaces(house)

        async def crash(exchange: Exchange) -> None:
            raise RuntimeError("the secret inside")

        built[0].routes.append(  # type: ignore[attr-defined]
            Route(method="GET", path="/api/v1/crash", handler=crash, summary="", tag="test")
        )
        registry = CollectorRegistry()
        registry.register(WriterMetrics(self.writer))
        limiter = Limiter(relaxed=relaxed, windows=self.windows)
        audit, retelling = self.records.people.audit, Retelling(self.database)
        app = application(built, HttpMetrics(registry), limiter, audit, retelling, self.origins)
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

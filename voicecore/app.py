"""The composition root: the only module that knows everyone. Builds a server from settings and takes it down.

Order matters both ways: what a call needs is there before the port opens, and what calls report is on disk
before the database closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from config.loader import pipeline, pipeline_names
from config.schema import AgentSettings, ServerSettings
from pipelines.engines import EngineRoom
from pipelines.errors import ConfigError
from pipelines.pacer import Pacer
from pipelines.timing import Turn
from voicecore import gateway as media_gateway
from voicecore.admission import Admission
from voicecore.api.infrastructure import add_infrastructure
from voicecore.api.kit import BODY_LIMIT
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics, WriterMetrics
from voicecore.api.mount import middleware, mount
from voicecore.api.vocaliq import surface as vocaliq
from voicecore.domain.ids import new_external_id
from voicecore.fellows import Alone, Fellows
from voicecore.figures import Figures
from voicecore.front import Front, MediaDoor
from voicecore.gateway import Gateway
from voicecore.intake import Intake, PortIntake
from voicecore.metrics import CallMetrics, LoadMetrics
from voicecore.reception import Reception
from voicecore.recording import RECORDINGS as RECORDINGS
from voicecore.recording import RecordingThread
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments
from voicecore.services.call_log import CallLog, recover
from voicecore.services.calls import Calls
from voicecore.services.demo import demo_seed
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.operator import database_url
from voicecore.services.passwords import Passwords
from voicecore.services.seeding import Seeder
from voicecore.services.tokens import Tokens, load_secret
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer
from voicecore.tickets import Tickets
from voicecore.transports.twilio_signature import CarrierSignature
from voicecore.webhooks import VoiceWebhook

log = structlog.get_logger(__name__)

SECRET_FILE = "secret"
SERVER_ID_FILE = "server-id"
LOCK_FILE = "lock"
CREDENTIALS_FILE = "demo-login"


class Server(msgspec.Struct, frozen=True):
    """A running server."""

    settings: ServerSettings
    port: int  # the real one, also where 0 was asked for
    gateway: Gateway
    metrics: CallMetrics
    credentials: Path  # the demo administrator's login, if a demo organization was made
    http: web.Server
    warming: asyncio.Task[None]  # engines get ready for the agents there are

    def open_connections(self) -> int:
        """HTTP connections of this process."""
        return len(self.http.connections)

    def watch_turns(self, show: Callable[[Turn], None]) -> contextlib.AbstractContextManager[None]:
        """While the context is open, `show` gets every finished turn of every call."""
        return self.metrics.watched(show)

    @property
    def url(self) -> str:
        return url_of(self.settings, self.port)


def url_of(settings: ServerSettings, port: int) -> str:
    """How this machine reaches the server."""
    host = settings.host if settings.host not in ("0.0.0.0", "::", "") else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.asynccontextmanager
async def running(settings: ServerSettings) -> AsyncIterator[Server]:
    """A server of one process, until the context is left. Raises ConfigError, EngineMissing, OSError (the port)."""
    async with data_ready(settings) as ready, assembled(settings, PortIntake(settings), Alone(), ready.node) as server:
        yield server


class DataReady(msgspec.Struct, frozen=True):
    """`node` names this server among those that share its database; its processes' names begin with it.
    `recover` closes the calls of a process that is gone."""

    node: str
    credentials: Path
    recover: Callable[[str], Awaitable[int]]


@contextlib.asynccontextmanager
async def data_ready(settings: ServerSettings) -> AsyncIterator[DataReady]:
    """The data directory is ours, the schema is new, and no call of a crashed server is left open."""
    data = Path(settings.data)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_locked(data))
        load_secret(data / SECRET_FILE)
        database = await Database.open(database_url(settings))
        stack.push_async_callback(database.close)
        passwords = Passwords()
        stack.callback(passwords.close)

        node = _server_id(data / SERVER_ID_FILE)
        await recover(database, node)
        await demo_seed(database, Seeder(database, passwords), data / CREDENTIALS_FILE)
        yield DataReady(node, data / CREDENTIALS_FILE, partial(recover, database))


@contextlib.asynccontextmanager
async def assembled(settings: ServerSettings, intake: Intake, fellows: Fellows, node: str) -> AsyncIterator[Server]:
    """One serving process on data that are ready. Raises ConfigError, EngineMissing, OSError (the port)."""
    data = Path(settings.data)
    async with contextlib.AsyncExitStack() as stack:
        registry = CollectorRegistry()
        records = await _open_records(settings, data, node, registry, stack)
        tapes = RecordingThread()
        stack.push_async_callback(asyncio.to_thread, tapes.close)
        pacer = Pacer()
        stack.callback(pacer.close)
        engines = _engine_room(settings)
        stack.push_async_callback(engines.close)
        await engines.chains(AgentSettings())

        metrics = CallMetrics(registry)
        admission = Admission(
            settings.admission,
            loop_lag_ms=lambda: pacer.lag_ms,
            engine_backlog_ms=engines.backlog_ms,
            now_ms=pacer.now_ms,
        )
        registry.register(LoadMetrics(admission, pacer, engines))
        reception = Reception(
            database=records.database,
            agents=records.agents,
            appointments=records.appointments,
            knowledge=KnowledgeBase(records.database),
            call_log=records.call_log,
            engines=engines,
            pacer=pacer,
            tapes=tapes,
            recordings=data / RECORDINGS,
            media=settings.media,
            metrics=metrics,
            admission=admission,
        )
        warming = asyncio.create_task(reception.warm())
        stack.push_async_callback(_cancelled, warming)
        tickets = Tickets(load_secret(data / SECRET_FILE), fellows)
        signature = CarrierSignature(settings.twilio, settings.public_url)
        gateway = Gateway(settings.media, reception, records.accounts, tickets, signature, admission, fellows)
        app = _http(settings, records, gateway, registry, fellows)
        webhook = VoiceWebhook(settings, admission, records.agents, tickets, signature)
        app.add_routes(webhook.routes())
        door = MediaDoor(media_gateway.claims, gateway.upgrade, settings.media.max_message_bytes)
        for path in media_gateway.PATHS:
            app.router.add_get(path, door.adopt)
        http = await _http_server(app, stack)
        stack.callback(door.close)
        port = await intake.open(lambda: Front(door, http))
        stack.callback(intake.close)
        stack.push_async_callback(gateway.stop)
        yield Server(settings, port, gateway, metrics, data / CREDENTIALS_FILE, http, warming)


class Records(msgspec.Struct, frozen=True):
    """The database and the services on it."""

    database: Database
    call_log: CallLog
    accounts: Accounts
    agents: Agents
    calls: Calls
    appointments: Appointments
    tokens: Tokens


async def _open_records(
    settings: ServerSettings, data: Path, node: str, registry: CollectorRegistry, stack: contextlib.AsyncExitStack
) -> Records:
    database = await Database.open(database_url(settings))
    stack.push_async_callback(database.close)
    writer = Writer(database)
    writer.start()
    stack.push_async_callback(writer.stop)
    registry.register(WriterMetrics(writer))
    passwords = Passwords()
    stack.callback(passwords.close)
    tokens = Tokens(
        load_secret(data / SECRET_FILE),
        access_s=settings.auth.access_token_s,
        refresh_s=settings.auth.refresh_token_s,
    )
    return Records(
        database=database,
        call_log=CallLog(writer, node=node),
        accounts=Accounts(database, passwords, tokens),
        agents=Agents(database),
        calls=Calls(database),
        appointments=Appointments(database),
        tokens=tokens,
    )


def _http(
    settings: ServerSettings, records: Records, gateway: Gateway, registry: CollectorRegistry, fellows: Fellows
) -> web.Application:
    surface = vocaliq.build(
        accounts=records.accounts,
        agents=records.agents,
        calls=records.calls,
        live=gateway,
        appointments=records.appointments,
        tokens=records.tokens,
        recordings=Path(settings.data) / RECORDINGS,
        public_url=settings.public_url,
    )
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[middleware([surface], HttpMetrics(registry))])
    mount(app, surface, Limiter(relaxed=settings.limits == "relaxed"))

    async def accepting() -> str:
        return "draining" if gateway.admission.draining else ""

    async def reachable() -> str:
        try:
            await records.database.ping()
        except SQLAlchemyError as error:
            return f"the database does not answer: {type(error).__name__}"
        return ""

    figures = Figures(registry, fellows)
    add_infrastructure(app, figures.text, {"calls": accepting, "database": reachable})
    return app


async def _http_server(app: web.Application, stack: contextlib.AsyncExitStack) -> web.Server:
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None
    return runner.server


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _engine_room(settings: ServerSettings) -> EngineRoom:
    names = pipeline_names(settings)
    known = {name: pipeline(name, settings) for name in names}
    if settings.pipeline not in known:
        raise ConfigError(f"there are: {', '.join(names)}", source="settings", key=f"pipeline {settings.pipeline!r}")
    return EngineRoom(known, settings.pipeline)


def _server_id(file: Path) -> str:
    """A name that this data directory keeps."""
    if not file.exists():
        file.write_text(f"{new_external_id('server')}\n")
    return file.read_text().strip()


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Two servers on one data directory would end each other's calls at recovery."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another server uses {data}", source="settings", key="data") from error
        file.write(f"{socket.gethostname()}\n")
        yield

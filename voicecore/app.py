"""The composition root: the only module that knows everyone. Builds a server from settings and takes it down.

Order matters both ways: what a call needs is there before the port opens, and what calls report is on disk
before the database closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Callable, Iterator
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
from voicecore.front import Front, MediaDoor
from voicecore.gateway import Gateway
from voicecore.metrics import CallMetrics, LoadMetrics
from voicecore.reception import Reception
from voicecore.recording import RecordingThread
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments
from voicecore.services.call_log import CallLog
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
LOCK_FILE = "lock"
CREDENTIALS_FILE = "demo-login"
RECORDINGS = "recordings"
BACKLOG = 1024  # connections that may wait to be accepted


class Server(msgspec.Struct, frozen=True):
    """A running server."""

    settings: ServerSettings
    port: int  # the real one, also where 0 was asked for
    gateway: Gateway
    metrics: CallMetrics
    credentials: Path  # the demo administrator's login, if a demo organization was made

    def watch_turns(self, show: Callable[[Turn], None]) -> contextlib.AbstractContextManager[None]:
        """While the context is open, `show` gets every finished turn of every call."""
        return self.metrics.watched(show)

    @property
    def url(self) -> str:
        host = self.settings.host if self.settings.host not in ("0.0.0.0", "::", "") else "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@contextlib.asynccontextmanager
async def running(settings: ServerSettings) -> AsyncIterator[Server]:
    """Serve until the context is left, then drain. Raises ConfigError, EngineMissing, OSError (the port)."""
    data = Path(settings.data)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_locked(data))
        secret = load_secret(data / SECRET_FILE)
        database = await Database.open(database_url(settings))
        stack.push_async_callback(database.close)
        writer = Writer(database)
        writer.start()
        stack.push_async_callback(writer.stop)
        passwords = Passwords()
        stack.callback(passwords.close)
        call_log = CallLog(database, writer)
        await call_log.recover()
        await demo_seed(database, Seeder(database, passwords), data / CREDENTIALS_FILE)
        tapes = RecordingThread()
        stack.push_async_callback(asyncio.to_thread, tapes.close)
        pacer = Pacer()
        stack.callback(pacer.close)
        engines = _engine_room(settings)
        stack.push_async_callback(engines.close)
        await engines.chains(AgentSettings())

        registry = CollectorRegistry()
        registry.register(WriterMetrics(writer))
        tokens = Tokens(secret, access_s=settings.auth.access_token_s, refresh_s=settings.auth.refresh_token_s)
        accounts = Accounts(database, passwords, tokens)
        agents, calls, appointments = Agents(database), Calls(database), Appointments(database)
        tickets, signature = Tickets(secret), CarrierSignature(settings.twilio, settings.public_url)
        metrics = CallMetrics(registry)
        admission = Admission(
            settings.admission,
            loop_lag_ms=lambda: pacer.lag_ms,
            engine_backlog_ms=engines.backlog_ms,
            now_ms=pacer.now_ms,
        )
        reception = Reception(
            database=database,
            agents=agents,
            appointments=appointments,
            knowledge=KnowledgeBase(database),
            call_log=call_log,
            engines=engines,
            pacer=pacer,
            tapes=tapes,
            recordings=data / RECORDINGS,
            media=settings.media,
            metrics=metrics,
            admission=admission,
        )
        registry.register(LoadMetrics(admission, pacer, engines))
        gateway = Gateway(settings.media, reception, accounts, tickets, signature, admission)
        surface = vocaliq.build(
            accounts=accounts,
            agents=agents,
            calls=calls,
            appointments=appointments,
            tokens=tokens,
            recordings=data / RECORDINGS,
            public_url=settings.public_url,
        )
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[middleware([surface], HttpMetrics(registry))])
        mount(app, surface, Limiter(relaxed=settings.limits == "relaxed"))
        webhook = VoiceWebhook(settings, admission, agents, tickets, signature)
        app.add_routes(webhook.routes())

        async def accepting() -> str:
            return "draining" if admission.draining else ""

        async def reachable() -> str:
            try:
                await database.ping()
            except SQLAlchemyError as error:
                return f"the database does not answer: {type(error).__name__}"
            return ""

        add_infrastructure(app, registry, {"calls": accepting, "database": reachable})
        door = MediaDoor(media_gateway.claims, gateway.upgrade, settings.media.max_message_bytes)
        for path in media_gateway.PATHS:
            app.router.add_get(path, door.adopt)
        port = await _listen(settings, app, door, stack)
        stack.push_async_callback(gateway.stop)
        yield Server(settings, port, gateway, metrics, data / CREDENTIALS_FILE)


async def _listen(
    settings: ServerSettings, app: web.Application, door: MediaDoor, stack: contextlib.AsyncExitStack
) -> int:
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    http = runner.server
    assert http is not None

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Front(door, http), settings.host, settings.port, backlog=BACKLOG)
    stack.callback(door.close)
    stack.callback(server.close)
    name = server.sockets[0].getsockname()
    return int(name[1])


def _engine_room(settings: ServerSettings) -> EngineRoom:
    names = pipeline_names(settings)
    known = {name: pipeline(name, settings) for name in names}
    if settings.pipeline not in known:
        raise ConfigError(f"there are: {', '.join(names)}", source="settings", key=f"pipeline {settings.pipeline!r}")
    return EngineRoom(known, settings.pipeline)


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

"""The composition root: the only module that knows everyone. Builds a server from settings and takes it down.

Order matters both ways: what a call needs is there before the port opens, and what calls report is on disk
before the database closes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from config.loader import pipeline, pipeline_names
from config.prices import price_table
from config.schema import AgentSettings, ServerSettings
from pipelines.engines import EngineRoom
from pipelines.errors import ConfigError
from pipelines.phrases import all_sentences
from pipelines.stock import Stock
from pipelines.stock_files import StockFiles
from pipelines.timing import Turn
from voicecore import gateway as media_gateway
from voicecore.api.infrastructure import add_infrastructure
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics
from voicecore.carrier_requests import CarrierRequests
from voicecore.data_directory import CREDENTIALS_FILE, SECRET_FILE, data_ready
from voicecore.dealings import Dealings, dealings
from voicecore.fellows import Alone, Fellows
from voicecore.figures import Figures
from voicecore.front import Front, MediaDoor
from voicecore.gateway import Gateway
from voicecore.intake import Intake, PortIntake
from voicecore.metrics import CallMetrics
from voicecore.outbound_webhooks import OutboundWebhook
from voicecore.reception import Reception
from voicecore.recording import RECORDINGS as RECORDINGS
from voicecore.recording import RecordingThread
from voicecore.records import Records, open_records
from voicecore.services.briefing import Briefings
from voicecore.services.overhearing import Overhearing
from voicecore.services.retelling import Retelling
from voicecore.services.secret_store import SecretStore
from voicecore.services.tokens import load_secret
from voicecore.surfaces import House, application, surfaces
from voicecore.switchboard import Switchboard, switchboard
from voicecore.tickets import Tickets
from voicecore.transports.twilio_signature import CarrierSignature
from voicecore.warmup import Warmup
from voicecore.webhooks import VoiceWebhook

log = structlog.get_logger(__name__)
LONGEST_LINE = 65536  # bytes of a request's first line: beyond them nobody knows which surface was meant


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


@contextlib.asynccontextmanager
async def assembled(settings: ServerSettings, intake: Intake, fellows: Fellows, node: str) -> AsyncIterator[Server]:
    """One serving process on data that are ready. Raises ConfigError, EngineMissing, OSError (the port)."""
    data = Path(settings.data)
    async with contextlib.AsyncExitStack() as stack:
        registry = CollectorRegistry()
        records = await open_records(settings, data, node, registry, stack)
        secrets = records.secrets
        engines = _engine_room(settings, secrets)
        stack.push_async_callback(engines.close)
        await engines.chains(AgentSettings())
        briefings = Briefings(records.database, records.agents, records.appointments, records.knowledge)
        stack.push_async_callback(briefings.close)
        base = [""]  # known when the port is open
        board = switchboard(settings, records, engines, registry, fellows, lambda: base[0], stack)
        around = dealings(
            records,
            engines,
            briefings,
            secrets,
            data,
            data / RECORDINGS,
            board.outbound,
            board.transfers,
            allow_private=settings.webhooks.allow_private,
            public_url=settings.public_url,
            base=lambda: base[0],
            integrations=settings.integrations,
        )
        stack.push_async_callback(around.chores.close)
        media = _media(settings, records, engines, briefings, board, registry, fellows, stack)
        app = _application(settings, records, around, media, registry, fellows)
        http = await _http_server(app, stack)
        stack.callback(media.door.close)
        port = await intake.open(lambda: Front(media.door, http))
        stack.callback(intake.close)
        stack.push_async_callback(media.gateway.stop)
        base[0] = url_of(settings, port)
        around.chores.start()
        yield Server(settings, port, media.gateway, media.metrics, data / CREDENTIALS_FILE, http, media.warming)


class Media(msgspec.Struct, frozen=True):
    """The side that holds calls."""

    gateway: Gateway
    webhooks: list[web.RouteDef]
    door: MediaDoor
    metrics: CallMetrics
    warming: asyncio.Task[None]


def _media(
    settings: ServerSettings,
    records: Records,
    engines: EngineRoom,
    briefings: Briefings,
    board: Switchboard,
    registry: CollectorRegistry,
    fellows: Fellows,
    stack: contextlib.AsyncExitStack,
) -> Media:
    data = Path(settings.data)
    tapes = RecordingThread()
    stack.push_async_callback(asyncio.to_thread, tapes.close)
    metrics = CallMetrics(registry)
    stock = Stock(all_sentences(), _stock_files(settings, stack))
    warmup = Warmup(records.agents, engines, stock, briefings)
    stack.push_async_callback(warmup.close)
    warming = asyncio.create_task(warmup.everyone())
    stack.push_async_callback(_cancelled, warming)
    reception = Reception(
        database=records.database,
        briefings=briefings,
        appointments=records.appointments,
        knowledge=records.knowledge,
        call_log=records.call_log,
        engines=engines,
        pacer=board.pacer,
        tapes=tapes,
        recordings=data / RECORDINGS,
        media=settings.media,
        metrics=metrics,
        admission=board.admission,
        outbound=board.outbound,
        transfers=board.transfers,
        stock=stock,
        warmup=warmup,
        prices=price_table(settings.prices),
    )
    tickets = Tickets(load_secret(data / SECRET_FILE), fellows)
    signature = CarrierSignature(settings.twilio, settings.public_url)
    overhearing = Overhearing(records.database, records.call_log.flush)
    access = (records.accounts, tickets, signature)
    gateway = Gateway(settings.media, reception, *access, board.admission, board.live, board.rota, overhearing)
    requests = CarrierRequests(settings.public_url, signature, records.tokens)
    webhooks = [
        *VoiceWebhook(settings, board.admission, briefings, tickets, requests, warmup).routes(),
        *OutboundWebhook(board.outbound, board.transfers, board.admission, tickets, requests).routes(),
    ]
    door = MediaDoor(media_gateway.claims, gateway.upgrade, settings.media.max_message_bytes)
    return Media(gateway, webhooks, door, metrics, warming)


def _application(
    settings: ServerSettings,
    records: Records,
    around: Dealings,
    media: Media,
    registry: CollectorRegistry,
    fellows: Fellows,
) -> web.Application:
    house = House(
        records=records,
        dealings=around,
        recordings=Path(settings.data) / RECORDINGS,
        public_url=settings.public_url,
        open_call_log=settings.auth.open_call_log,
    )
    limiter = Limiter(relaxed=settings.limits == "relaxed", windows=records.windows)
    audit, retelling = records.people.audit, Retelling(records.database)
    app = application(surfaces(house), HttpMetrics(registry), limiter, audit, retelling, settings.cors_origins)
    app.add_routes(media.webhooks)
    for path in media_gateway.PATHS:
        app.router.add_get(path, media.door.adopt)

    async def accepting() -> str:
        return "draining" if media.gateway.admission.draining else ""

    async def reachable() -> str:
        try:
            await records.database.ping()
        except SQLAlchemyError as error:
            return f"the database does not answer: {type(error).__name__}"
        return ""

    add_infrastructure(app, Figures(registry, fellows).text, {"calls": accepting, "database": reachable})
    return app


async def _http_server(app: web.Application, stack: contextlib.AsyncExitStack) -> web.Server:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, max_line_size=LONGEST_LINE)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server is not None
    return runner.server


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _stock_files(settings: ServerSettings, stack: contextlib.AsyncExitStack) -> StockFiles | None:
    if not settings.voice_cache_mb:
        return None
    files = StockFiles(Path(settings.data) / "voices", settings.voice_cache_mb << 20)
    stack.push_async_callback(files.close)
    return files


def _engine_room(settings: ServerSettings, secrets: SecretStore) -> EngineRoom:
    names = pipeline_names(settings)
    known = {name: pipeline(name, settings) for name in names}
    if settings.pipeline not in known:
        raise ConfigError(f"there are: {', '.join(names)}", source="settings", key=f"pipeline {settings.pipeline!r}")
    return EngineRoom(known, settings.pipeline, secrets)

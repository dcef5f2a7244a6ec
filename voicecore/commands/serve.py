"""`voicecore serve`: runs the server until it is told to stop; the first signal drains, the second ends at once."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from config.loader import load
from config.schema import ServerSettings
from pipelines.errors import ConfigError
from voicecore import compiled, heap, logs
from voicecore.app import Server, running, url_of
from voicecore.data_directory import data_ready
from voicecore.fleet.parent import Fleet
from voicecore.services.operator import opened

DRAINING = "draining: {calls} call(s) may finish within {seconds} s; stop again to end them now"


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port for HTTP and media (default 8080)")
    parser.add_argument("--data", metavar="DIR", help="database, recordings and secrets (default ./data)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings in YAML")
    parser.add_argument("--pipeline", metavar="NAME", help="embedded, simulated, or one of your own")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that share the port (default 1)")
    parser.add_argument("--log-level", help="debug, info, warning or error")
    parser.add_argument("--no-demo-call", action="store_true", help="do not place a demo call at the start")


def run(args: argparse.Namespace) -> int:
    overrides = {name: getattr(args, name) for name in ("host", "port", "data", "pipeline", "workers", "log_level")}
    settings = load(file=args.config, environ=os.environ, overrides=overrides)
    try:
        logs.configure(settings.log_level)
    except KeyError as error:
        raise ConfigError(f"no such level: {settings.log_level}", source="settings", key="log_level") from error
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, demo_call=not args.no_demo_call))


class Signals:
    """SIGTERM and Ctrl-C: the first asks to drain, the second to end at once. SIGHUP: restart in turn."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.kill = asyncio.Event()
        self.restart = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: (self.kill if self.stop.is_set() else self.stop).set())
        loop.add_signal_handler(signal.SIGHUP, self.restart.set)

    async def unless_killed(self, drain: Coroutine[Any, Any, None]) -> None:
        """Drain, until it is done or somebody loses patience."""
        draining, killed = asyncio.ensure_future(drain), asyncio.ensure_future(self.kill.wait())
        await asyncio.wait([draining, killed], return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, killed):
            task.cancel()
        await asyncio.wait([draining, killed])


async def _serve(settings: ServerSettings, *, demo_call: bool) -> int:
    signals = Signals()
    try:
        if settings.workers > 1:
            await _serve_fleet(settings, signals)
        else:
            await _serve_alone(settings, signals, demo_call=demo_call)
    except OSError as error:
        raise ConfigError(
            f"cannot listen: {error.strerror or error}", source="settings", key=f"{settings.host}:{settings.port}"
        ) from error
    return 0


async def _serve_alone(settings: ServerSettings, signals: Signals, *, demo_call: bool) -> None:
    async with running(settings) as server:
        heap.settle()
        where = Where(settings, server.url, server.credentials)
        demo = asyncio.create_task(_demonstrate(server, where)) if demo_call else None
        if demo is None:
            _say(banner(where))
        await signals.stop.wait()
        if demo is not None:
            demo.cancel()
            await asyncio.wait([demo])
        if calls := server.gateway.active_calls:
            _say(DRAINING.format(calls=calls, seconds=settings.drain_s))
        await signals.unless_killed(server.gateway.drain(settings.drain_s))


async def _serve_fleet(settings: ServerSettings, signals: Signals) -> None:
    async with data_ready(settings) as ready:
        fleet = Fleet(settings, ready.node, ready.recover)
        try:
            await fleet.start()
            _say(banner(Where(settings, url_of(settings, fleet.port), ready.credentials)))
            restarting = asyncio.create_task(_restarts(fleet, signals))
            await signals.stop.wait()
            restarting.cancel()
            if fleet.calls:
                _say(DRAINING.format(calls=fleet.calls, seconds=settings.drain_s))
            await signals.unless_killed(fleet.drain())
        finally:
            await fleet.stop()


async def _restarts(fleet: Fleet, signals: Signals) -> None:
    while True:
        await signals.restart.wait()
        signals.restart.clear()
        try:
            await fleet.restart()
        except ConfigError as error:
            _say(f"not restarted, the old processes go on: {error.message}")
        else:
            _say("restarted: new processes take the calls, the old ones finish theirs")


async def _demonstrate(server: Server, where: Where) -> None:
    """One spoken call into ourselves over the real protocol, so that there is something to see: not where there are
    organizations of somebody's own, for it would be one of their calls."""
    from voicecore.commands.demo import place_demo_call

    try:
        async with opened(server.settings) as office:
            alone = await office.only_demo()
        if alone:
            await place_demo_call(server)
    finally:
        _say(banner(where))


class Where(msgspec.Struct, frozen=True):
    """What the banner needs to know."""

    settings: ServerSettings
    url: str
    credentials: Path


def banner(where: Where) -> str:
    """What to open, and what to paste into the carrier's console."""
    settings, url = where.settings, where.url
    public = settings.public_url.rstrip("/") or url
    processes = f", {settings.workers} processes" if settings.workers > 1 else ""
    made = ", compiled" if compiled.in_use() else ""
    lines = [
        "",
        f"voicecore serves on {url} with the {settings.pipeline} pipeline{processes}{made}",
        f"  API            {url}/docs   (metrics {url}/metrics)",
        f"  Twilio         voice webhook: POST {public}/webhooks/twilio/voice",
        f"  your own call  voicecore call --url {url} --say 'what are your opening hours'",
        f"  calls          voicecore calls --data {settings.data}",
    ]
    if compiled.FOLDER.exists() and not compiled.in_use():
        lines.append("  NOTE           the sources have changed since `voicecore compile`, so what it made is not used")
    if where.credentials.is_file():
        lines.insert(3, f"  login          e-mail and password are in {where.credentials}")
    if not settings.twilio.auth_token:
        lines.append(
            "  NOTE           no Twilio credentials: media is accepted from this machine only, unsigned "
            "(set VOICECORE_TWILIO__AUTH_TOKEN and VOICECORE_PUBLIC_URL)"
        )
    if not settings.carrier.kind and not settings.twilio.account_sid:
        lines.append("                 calls that the server makes reach simulated telephones, nobody else")
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

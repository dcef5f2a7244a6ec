"""`voicecore serve`: runs the server until it is told to stop; the first signal drains, the second ends at once."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from config.loader import load
from config.schema import ServerSettings
from pipelines.errors import ConfigError
from voicecore import logs
from voicecore.app import Server, running


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port for HTTP and media (default 8080)")
    parser.add_argument("--data", metavar="DIR", help="database, recordings and secrets (default ./data)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings in YAML")
    parser.add_argument("--pipeline", metavar="NAME", help="embedded, simulated, or one of your own")
    parser.add_argument("--log-level", help="debug, info, warning or error")
    parser.add_argument("--no-demo-call", action="store_true", help="do not place a demo call at the start")


def run(args: argparse.Namespace) -> int:
    overrides = {name: getattr(args, name) for name in ("host", "port", "data", "pipeline", "log_level")}
    settings = load(file=args.config, environ=os.environ, overrides=overrides)
    try:
        logs.configure(settings.log_level)
    except KeyError as error:
        raise ConfigError(f"no such level: {settings.log_level}", source="settings", key="log_level") from error
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, demo_call=not args.no_demo_call))


async def _serve(settings: ServerSettings, *, demo_call: bool) -> int:
    stop, kill = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        (kill if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    try:
        async with running(settings) as server:
            demo = loop.create_task(_demonstrate(server)) if demo_call else None
            if demo is None:
                _say(banner(server))
            await stop.wait()
            if demo is not None:
                demo.cancel()
                await asyncio.wait([demo])
            await _drain(server, kill)
    except OSError as error:
        raise ConfigError(
            f"cannot listen: {error.strerror or error}", source="settings", key=f"{settings.host}:{settings.port}"
        ) from error
    return 0


async def _drain(server: Server, kill: asyncio.Event) -> None:
    calls = server.gateway.active_calls
    if calls:
        _say(f"draining: {calls} call(s) may finish within {server.settings.drain_s} s; stop again to end them now")
    drained = asyncio.ensure_future(server.gateway.drain(server.settings.drain_s))
    killed = asyncio.ensure_future(kill.wait())
    await asyncio.wait([drained, killed], return_when=asyncio.FIRST_COMPLETED)
    for task in (drained, killed):
        task.cancel()
    await asyncio.wait([drained, killed])


async def _demonstrate(server: Server) -> None:
    """One spoken call into ourselves over the real protocol, so that there is something to see."""
    from voicecore.commands.demo import place_demo_call

    try:
        await place_demo_call(server)
    finally:
        _say(banner(server))


def banner(server: Server) -> str:
    """What to open, and what to paste into the carrier's console."""
    settings = server.settings
    public = settings.public_url.rstrip("/") or server.url
    lines = [
        "",
        f"voicecore serves on {server.url} with the {settings.pipeline} pipeline",
        f"  API            {server.url}/docs   (metrics {server.url}/metrics)",
        f"  Twilio         voice webhook: POST {public}/webhooks/twilio/voice",
        f"  your own call  voicecore call --url {server.url} --say 'what are your opening hours'",
        f"  calls          voicecore calls --data {settings.data}",
    ]
    if server.credentials.is_file():
        lines.insert(3, f"  login          e-mail and password are in {server.credentials}")
    if not settings.twilio.auth_token:
        lines.append(
            "  NOTE           no Twilio credentials: media is accepted from this machine only, unsigned "
            "(set VOICECORE_TWILIO__AUTH_TOKEN and VOICECORE_PUBLIC_URL)"
        )
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

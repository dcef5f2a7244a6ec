"""`voicecore engine whisper`: an engine in a process of its own, for gateways and all who speak its protocol."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from pipelines.errors import ConfigError, EngineMissing
from pipelines.providers.faster_whisper import make
from pipelines.secrets import NoStore, Secret
from pipelines.whisper.options import FasterWhisperOptions
from voicecore import logs
from voicecore.engine_server import EngineServer

LOOPBACK = ("127.0.0.1", "::1", "localhost")
DRAIN_S = 10.0  # for requests that are being answered when it is told to stop
SOURCE = "command line"


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["whisper"], help="faster-whisper behind OpenAI's transcription protocol")
    parser.add_argument("--model", default="small", help="directory, or a name in the local Hugging Face cache (small)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=9000, help="port to listen on (9000; 0: any)")
    parser.add_argument("--name", help="what clients call the model (default: --model)")
    parser.add_argument("--api-key", metavar="PLACE", default="", help="env:NAME or file:PATH with the key to demand")
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="any other option of faster-whisper"
    )


def run(args: argparse.Namespace) -> int:
    logs.configure("info")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(args, _options(args)))


def _options(args: argparse.Namespace) -> FasterWhisperOptions:
    """Raises ConfigError."""
    given: dict[str, Any] = {"model": args.model, "device": args.device}
    try:
        for assignment in args.set:
            name, _, value = assignment.partition("=")
            given[name] = msgspec.yaml.decode(value)
        return msgspec.convert(given, FasterWhisperOptions, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(str(error), source=SOURCE, key="--set") from error


async def _key(args: argparse.Namespace) -> Secret:
    """Raises ConfigError."""
    try:
        key = await Secret(args.api_key).resolved(NoStore(), "")
    except (ValueError, LookupError) as error:
        raise ConfigError(str(error), source=SOURCE, key="--api-key") from None
    if not key.reveal() and args.host not in LOOPBACK:
        raise ConfigError("needed to listen on other than this machine", source=SOURCE, key="--api-key")
    return key


async def _serve(args: argparse.Namespace, options: FasterWhisperOptions) -> int:
    key = await _key(args)
    try:
        engine = await make(options)
    except EngineMissing as error:
        raise ConfigError(error.message, source=SOURCE, key="--model") from error
    server = EngineServer(engine, args.name or args.model, key)
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=DRAIN_S)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await runner.setup()
        site = web.TCPSite(runner, args.host, args.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        sys.stdout.write(f"whisper serves on http://{host}:{port}/v1 ({options.model}, {engine.decoder.device})\n")
        sys.stdout.flush()
        await stop.wait()
    except OSError as error:
        reason = f"cannot listen: {error.strerror or error}"
        raise ConfigError(reason, source=SOURCE, key=f"{args.host}:{args.port}") from error
    finally:
        await runner.cleanup()
        await engine.close()
    return 0

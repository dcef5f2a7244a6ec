"""Examines the environment a server is to run in. Each finding says what is wrong and the next command.

It runs what it judges: engines are started and given a tiny job, the port is bound, the folder written to.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from config.loader import pipeline
from config.schema import ServerSettings, StageSettings
from pipelines import registry
from pipelines.audio import TELEPHONE
from pipelines.errors import EngineMissing, NotFound, VoicecoreError
from pipelines.stages import Stt, SttOptions, Tts, Vad, Voice
from voicecore.services import operator

OLDEST_PYTHON = (3, 11)
ENGINE_TIMEOUT_S = 60.0
SILENCE = b"\x00\x00" * 160  # 20 ms at 8 kHz
TEST_SENTENCE = "One, two, three."


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """`advice` is the next command or setting; empty when all is well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""


async def examine(settings: ServerSettings) -> AsyncIterator[Finding]:
    """All checks, in the order in which they would stop a server from starting."""
    yield python()
    yield packages()
    async for finding in engines(settings):
        yield finding
    yield data_folder(settings)
    yield await database(settings)
    yield port(settings)
    yield twilio(settings)
    yield public_url(settings)


def python() -> Finding:
    text = f"Python {'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", Verdict.FAIL, text, "install Python 3.11 or newer")
    return Finding("python", Verdict.OK, text)


def packages() -> Finding:
    """Everything that the installed package requires without an extra or another platform."""
    try:
        required = metadata.requires("voicecore") or []
    except metadata.PackageNotFoundError:
        return Finding("packages", Verdict.WARN, "voicecore itself is not installed", "pip install -e .")
    names = [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in required if ";" not in line]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return Finding("packages", Verdict.FAIL, f"missing: {', '.join(missing)}", "pip install voicecore")
    return Finding("packages", Verdict.OK, f"{len(names)} required packages")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


async def engines(settings: ServerSettings) -> AsyncIterator[Finding]:
    """The stages of the configured pipeline and their fallbacks; a broken fallback is a warning."""
    try:
        stages = pipeline(settings.pipeline, settings)
    except VoicecoreError as error:
        yield Finding("pipeline", Verdict.FAIL, error.message, "voicecore doctor --config FILE")
        return
    for name in ("vad", "stt", "llm", "tts"):
        stage: StageSettings = getattr(stages, name)
        yield await engine(name, stage, Verdict.FAIL)
        for fallback in stage.fallback:
            yield await engine(name, fallback, Verdict.WARN)


async def engine(stage: str, wanted: StageSettings, verdict: Verdict) -> Finding:
    """Start one engine, give it a tiny job, stop it."""
    check = f"{stage}/{wanted.provider}"
    started = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(ENGINE_TIMEOUT_S):
            work = await _exercise(stage, wanted)
    except EngineMissing as error:
        return Finding(check, verdict, error.message, _command_in(error.message))
    except VoicecoreError as error:
        return Finding(check, verdict, error.message, "see the message; voicecore serve --log-level debug says more")
    except TimeoutError:
        return Finding(check, verdict, f"no answer within {ENGINE_TIMEOUT_S:.0f} s", "is this machine overloaded?")
    took_ms = (asyncio.get_running_loop().time() - started) * 1000
    return Finding(check, Verdict.OK, f"{work} ({took_ms:.0f} ms with its start)")


def _command_in(message: str) -> str:
    found = re.search(r"pip install .*", message)
    return found.group() if found else "pip install 'voicecore[embedded]'"


async def _exercise(stage: str, wanted: StageSettings) -> str:
    made = await registry.make(stage, wanted.provider, wanted.options, source=f"pipeline.{stage}")
    try:
        if stage == "vad" and isinstance(made, Vad):
            return f"starts; silence is {'speech?' if made.open(8000).feed(SILENCE) else 'silence'}"
        if stage == "stt" and isinstance(made, Stt):
            return await _recognize(made)
        if stage == "tts" and isinstance(made, Tts):
            return await _speak(made)
        return "starts"
    finally:
        await made.close()


async def _recognize(stt: Stt) -> str:
    session = await stt.open(SttOptions())
    try:
        session.begin()
        for _ in range(25):
            session.feed(SILENCE)
        await session.flush()
        session.end()
    finally:
        await session.close()
    return "listens"


async def _speak(tts: Tts) -> str:
    size = 0
    async for chunk in tts.synthesize(TEST_SENTENCE, Voice(), TELEPHONE):
        size += len(chunk.audio)
    return f"speaks: {TELEPHONE.duration_ms(size) / 1000:.1f} s of audio"


def data_folder(settings: ServerSettings) -> Finding:
    folder = Path(settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return Finding("data", Verdict.FAIL, f"{folder}: {error.strerror}", "voicecore serve --data DIR")
    return Finding("data", Verdict.OK, f"{folder.resolve()} is writable")


async def database(settings: ServerSettings) -> Finding:
    try:
        async with operator.opened(settings) as office:
            await office.recent(1)
    except NotFound:
        return Finding("database", Verdict.OK, "none yet; the first start makes it")
    except VoicecoreError as error:
        return Finding("database", Verdict.FAIL, error.message, "check database_url or --data, and its rights")
    return Finding("database", Verdict.OK, "opens and its schema is up to date")


def port(settings: ServerSettings) -> Finding:
    address = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        return Finding("port", Verdict.WARN, f"{address}: {error.strerror}", "voicecore serve --port PORT")
    return Finding("port", Verdict.OK, f"{address} is free")


def twilio(settings: ServerSettings) -> Finding:
    sid, token = settings.twilio.account_sid, settings.twilio.auth_token
    if not sid and not token:
        return Finding(
            "twilio",
            Verdict.WARN,
            "no credentials: media sockets are accepted from this machine only",
            "set VOICECORE_TWILIO__ACCOUNT_SID and VOICECORE_TWILIO__AUTH_TOKEN (or …_FILE)",
        )
    if not re.fullmatch(r"AC[0-9a-f]{32}", sid):
        return Finding("twilio", Verdict.FAIL, "account_sid is not AC and 32 hexadecimal digits", "copy it once more")
    if not re.fullmatch(r"[0-9a-f]{32}", token):
        return Finding("twilio", Verdict.FAIL, "auth_token is not 32 hexadecimal digits", "copy it once more")
    return Finding("twilio", Verdict.OK, "credentials are there and well-formed")


def public_url(settings: ServerSettings) -> Finding:
    url = urlsplit(settings.public_url)
    if not settings.public_url:
        return Finding(
            "public_url", Verdict.WARN, "not set: a carrier cannot reach this server", "set VOICECORE_PUBLIC_URL"
        )
    if url.scheme != "https" or not url.hostname or url.path not in ("", "/") or url.query or url.fragment:
        return Finding(
            "public_url", Verdict.FAIL, f"{settings.public_url!r} is not https://HOST", "VOICECORE_PUBLIC_URL=https://…"
        )
    return Finding("public_url", Verdict.OK, settings.public_url)

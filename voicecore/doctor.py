"""Examines the environment a server is to run in. Each finding says what is wrong and the next command.

It runs what it judges: engines are started (see `engine_check.py`), the port is bound, the folder written to.
"""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from config.schema import ServerSettings
from pipelines.errors import NotFound, VoicecoreError
from voicecore import compiled
from voicecore.engine_check import engine as engine
from voicecore.engine_check import engines as engines
from voicecore.findings import Finding as Finding
from voicecore.findings import Verdict as Verdict
from voicecore.services import operator

OLDEST_PYTHON = (3, 11)


async def examine(settings: ServerSettings, *, online: bool = False) -> AsyncIterator[Finding]:
    """All checks, in the order in which they would stop a server from starting. `online`: providers are asked, too."""
    yield python()
    yield packages()
    yield hot_path()
    async for finding in engines(settings, online=online):
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


def hot_path(folder: Path = compiled.FOLDER) -> Finding:
    if compiled.is_fresh(folder):
        return Finding("hot path", Verdict.OK, "compiled")
    what = "compiled from other sources, so it is not used" if folder.exists() else "not compiled: fewer calls a core"
    return Finding("hot path", Verdict.WARN, what, "voicecore compile")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


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

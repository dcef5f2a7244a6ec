"""The directories of language models, one for each distinct set of phrases: found on disk or built, once.

Building happens in a process of its own; callers of the same phrases share it. Never reads a model itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import msgspec
import structlog

from pipelines.errors import StageError

log = structlog.get_logger(__name__)

_NICE = 10  # a build must not be heard in a running call
_SOURCES = (".py", ".yaml", ".txt", ".npz")


def default_cache() -> Path:
    """Per user, by the XDG base directory specification; a temporary directory where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "voicecore" / "speech"
    try:
        return Path.home() / ".cache" / "voicecore" / "speech"
    except RuntimeError:  # no home directory is known
        return Path(tempfile.gettempdir()) / f"voicecore-speech-{os.getuid()}"


def _recipe() -> bytes:
    """Changes whenever a build would come out differently for the same phrases."""
    digest = hashlib.sha256(version("pocketsphinx").encode())
    package = files("pipelines.speech")
    for folder in (package, package.joinpath("data")):
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(_SOURCES):
                digest.update(entry.read_bytes())
    return digest.digest()


class Models:
    """Finds or builds; knows how many builds run. All methods belong to one event loop."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._recipe = b""
        self._builds: dict[str, asyncio.Task[Path]] = {}

    async def start(self) -> None:
        self._recipe = await asyncio.to_thread(_recipe)

    def request(self, phrases: tuple[str, ...]) -> asyncio.Task[Path]:
        """The directory for `phrases`, soon. The task is shared: shield it when waiting. Raises StageError."""
        key = hashlib.sha256(self._recipe + msgspec.json.encode(sorted(set(phrases)))).hexdigest()[:24]
        task = self._builds.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._builds[key] = asyncio.create_task(self._find(self._cache / key, phrases), name=f"models {key}")
        return task

    async def close(self) -> None:
        tasks = list(self._builds.values())
        self._builds.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, directory: Path, phrases: tuple[str, ...]) -> Path:
        if await asyncio.to_thread(directory.is_dir):
            return directory
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pipelines.speech.build",
            str(directory),
            str(_NICE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            silent, complaint = await process.communicate(msgspec.json.encode(sorted(set(phrases))))
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            reason = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise StageError(f"language models not built: {reason}", stage="stt", provider="pocketsphinx")
        if silent:
            log.warning("stt.words_without_sound", words=silent.decode().split())
        return directory

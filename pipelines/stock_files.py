"""Speech on disk, for texts that are said in every call: it outlives the process, and is shared by those of a server.

Knows names and sizes, not what is said: a file's name is a hash of everything that makes its audio. It only saves time
and money, so whatever is wrong with a file or the disk is a miss.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import structlog

from pipelines.stages import TtsChunk

log = structlog.get_logger(__name__)

READ_TIMEOUT_S = 0.2  # a caller waits: a voice answers about as fast as a disk that takes longer
MOST_WRITES = 64  # waiting; more are not kept
ABANDONED_S = 3600.0  # a half-written file of this age belongs to a process that is gone
PARTIAL = ".part"
_DIGEST_BYTES = hashlib.sha256().digest_size

Chunks = tuple[TtsChunk, ...]


class StockFiles:
    """A directory of at most `most_bytes`; what was used longest ago goes first. Belongs to one event loop, but other
    processes may use the same directory."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._thread = ThreadPoolExecutor(1, "stock")
        self._writing: set[Future[None]] = set()
        self._decoder = msgspec.msgpack.Decoder(Chunks)
        self._encoder = msgspec.msgpack.Encoder()

    @staticmethod
    def name(*makes: object) -> str:
        """The file for what these make: provider, model, voice, format, text …"""
        return hashlib.sha256(msgspec.json.encode(makes, order="sorted")).hexdigest()

    async def read(self, name: str) -> Chunks | None:
        """None: it is not there, or not in time."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, name)
        except TimeoutError:
            log.warning("stock_slow", directory=str(self._directory))
            return None

    def write(self, name: str, chunks: Sequence[TtsChunk]) -> None:
        """Returns at once; it is on disk a little later, unless there is no room or the disk fails."""
        if len(self._writing) < MOST_WRITES:
            work = self._thread.submit(self._write, name, tuple(chunks))
            self._writing.add(work)
            work.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """What was given is on disk then."""
        await asyncio.to_thread(self._thread.shutdown)

    # --- in the thread ------------------------------------------------------------------------------

    def _read(self, name: str) -> Chunks | None:
        path = self._directory / name
        try:
            chunks = self._checked(path.read_bytes())
            if chunks is None:
                path.unlink(missing_ok=True)
            else:
                os.utime(path)  # used just now
            return chunks
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("stock_unreadable", directory=str(self._directory), reason=str(error))
            return None

    def _checked(self, content: bytes) -> Chunks | None:
        """What was written; None when it is not that any more."""
        payload = content[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != content[:_DIGEST_BYTES]:
            return None
        try:
            return self._decoder.decode(payload)
        except msgspec.DecodeError:  # whole, but of another version
            return None

    def _write(self, name: str, chunks: Chunks) -> None:
        payload = self._encoder.encode(chunks)
        size = _DIGEST_BYTES + len(payload)
        if size > self._most_bytes:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._make_room(size)
            descriptor, partial = tempfile.mkstemp(PARTIAL, dir=self._directory)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(payload).digest() + payload)
                Path(partial).replace(self._directory / name)
            except OSError:
                Path(partial).unlink(missing_ok=True)
                raise
        except OSError as error:
            log.warning("stock_not_written", directory=str(self._directory), reason=str(error))

    def _make_room(self, size: int) -> None:
        now_s, found = time.time(), []
        for entry in os.scandir(self._directory):
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                stat = entry.stat()
                if not entry.name.endswith(PARTIAL):
                    found.append((stat.st_mtime, stat.st_size, entry.path))
                elif now_s - stat.st_mtime > ABANDONED_S:
                    Path(entry.path).unlink(missing_ok=True)
        excess = sum(one for _, one, _ in found) + size - self._most_bytes
        for _, one, path in sorted(found):
            if excess <= 0:
                return
            Path(path).unlink(missing_ok=True)
            excess -= one

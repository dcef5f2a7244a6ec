"""Files that somebody asked for and fetches within a day, under names that nobody can guess."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.ids import new_external_id

LIFE = timedelta(days=1)
SWEEP_EVERY_S = 60.0
UNFINISHED = ".part"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.[a-z]+")


class Downloads:
    """`directory` is made when it is first needed. Files are their own record: their age says when they are over."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._swept_s = 0.0

    async def keep(self, stem: str, suffix: str, parts: AsyncIterator[bytes]) -> tuple[str, datetime]:
        """Write a file, whole or not at all. Its name and when it is over."""
        now = instants.now()
        name = f"{stem}-{now:%Y%m%d}-{new_external_id('x').removeprefix('x_')}.{suffix}"
        unfinished = self._directory / (name + UNFINISHED)
        try:
            await asyncio.to_thread(self._begin, unfinished)
            async for part in parts:
                await asyncio.to_thread(_append, unfinished, part)
            await asyncio.to_thread(unfinished.rename, self._directory / name)
        finally:
            await asyncio.to_thread(unfinished.unlink, missing_ok=True)
        return name, now + LIFE

    async def path(self, name: str) -> Path:
        """Raises NotFound, also when it is over."""
        file = self._directory / name
        if not _NAME.fullmatch(name) or not await asyncio.to_thread(_young, file):
            raise NotFound("file not found")
        return file

    async def sweep(self) -> None:
        """Remove what is over. Cheap to ask for often."""
        now_s = time.monotonic()
        if now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            await asyncio.to_thread(self._remove_old)

    def _begin(self, file: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)

    def _remove_old(self) -> None:
        if self._directory.is_dir():
            for file in self._directory.iterdir():
                if not _young(file):
                    file.unlink(missing_ok=True)


def _append(file: Path, part: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(part)


def _young(file: Path) -> bool:
    try:
        return file.stat().st_mtime + LIFE.total_seconds() > instants.now().timestamp()
    except FileNotFoundError:
        return False

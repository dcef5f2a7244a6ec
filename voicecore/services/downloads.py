"""Files that somebody asked for and fetches within a day, under names that nobody can guess."""

from __future__ import annotations

import asyncio
import re
import shutil
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
    """`directory` is made when it is first needed, with one in it for every organization. Files are their own record:
    their age says when they are over."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._swept_s = 0.0

    async def keep(
        self, organization_uid: str, stem: str, suffix: str, parts: AsyncIterator[bytes]
    ) -> tuple[str, datetime]:
        """Write a file, whole or not at all. Its name and when it is over."""
        now = instants.now()
        name = f"{stem}-{now:%Y%m%d}-{new_external_id('x').removeprefix('x_')}.{suffix}"
        directory = self._directory / organization_uid
        unfinished = directory / (name + UNFINISHED)
        try:
            await asyncio.to_thread(_begin, unfinished)
            async for part in parts:
                await asyncio.to_thread(_append, unfinished, part)
            await asyncio.to_thread(unfinished.rename, directory / name)
        finally:
            await asyncio.to_thread(unfinished.unlink, missing_ok=True)
        return name, now + LIFE

    async def path(self, name: str) -> Path:
        """Raises NotFound, also when it is over."""
        found = await asyncio.to_thread(self._find, name) if _NAME.fullmatch(name) else None
        if found is None or not await asyncio.to_thread(_young, found):
            raise NotFound("file not found")
        return found

    async def forget(self, organization_uid: str) -> None:
        """Everything that is there for an organization: what a file says of whom, nobody remembers."""
        await asyncio.to_thread(shutil.rmtree, self._directory / organization_uid, ignore_errors=True)

    async def sweep(self) -> None:
        """Remove what is over. Cheap to ask for often."""
        now_s = time.monotonic()
        if now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            await asyncio.to_thread(self._remove_old)

    def _find(self, name: str) -> Path | None:
        return next(self._directory.glob(f"*/{name}"), None)

    def _remove_old(self) -> None:
        for file in self._directory.glob("*/*"):
            if not _young(file):
                file.unlink(missing_ok=True)


def _begin(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)


def _append(file: Path, part: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(part)


def _young(file: Path) -> bool:
    try:
        return file.stat().st_mtime + LIFE.total_seconds() > instants.now().timestamp()
    except FileNotFoundError:
        return False

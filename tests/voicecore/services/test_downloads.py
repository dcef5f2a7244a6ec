"""Files to be fetched: whole or not at all, under names of their own, gone after a day."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipelines.errors import NotFound
from voicecore.services.downloads import LIFE, Downloads

MINE = "organization-1"


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def test_files_are_kept_for_a_day(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path / "new")
    one, _ = await downloads.keep(MINE, "calls-export", "csv", parts(b"a,", b"b"))
    other, _ = await downloads.keep(MINE, "calls-export", "csv", parts(b""))
    assert one != other
    assert (await downloads.path(one)).read_bytes() == b"a,b"
    assert (await downloads.path(one)).stat().st_mode & 0o077 == 0
    directory = tmp_path / "new" / MINE
    old = (directory / one).stat().st_mtime - LIFE.total_seconds()
    os.utime(directory / one, (old, old))
    with pytest.raises(NotFound):
        await downloads.path(one)
    await downloads.sweep()
    assert os.listdir(directory) == [other]
    for name in ("", "*", "..", f"{MINE}/{other}", "../x.csv", "x.csv", "x", "/etc/passwd", other + ".part"):
        with pytest.raises(NotFound):
            await downloads.path(name)


async def test_one_organization_forgets_its_own(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    mine, _ = await downloads.keep(MINE, "calls-export", "csv", parts(b"a"))
    theirs, _ = await downloads.keep("other", "calls-export", "csv", parts(b"b"))
    for _ in range(2):  # nothing to forget is no trouble
        await downloads.forget(MINE)
        with pytest.raises(NotFound):
            await downloads.path(mine)
    assert (await downloads.path(theirs)).read_bytes() == b"b"


async def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        await Downloads(tmp_path).keep(MINE, "x", "csv", failing())
    assert os.listdir(tmp_path / MINE) == []

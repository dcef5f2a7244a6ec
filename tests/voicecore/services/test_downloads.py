"""Files to be fetched: whole or not at all, under names of their own, gone after a day."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipelines.errors import NotFound
from voicecore.services.downloads import LIFE, Downloads


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def test_files_are_kept_for_a_day(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path / "new")
    one, _ = await downloads.keep("calls-export", "csv", parts(b"a,", b"b"))
    other, _ = await downloads.keep("calls-export", "csv", parts(b""))
    assert one != other
    assert (await downloads.path(one)).read_bytes() == b"a,b"
    assert (await downloads.path(one)).stat().st_mode & 0o077 == 0
    old = (tmp_path / "new" / one).stat().st_mtime - LIFE.total_seconds()
    os.utime(tmp_path / "new" / one, (old, old))
    with pytest.raises(NotFound):
        await downloads.path(one)
    await downloads.sweep()
    assert os.listdir(tmp_path / "new") == [other]
    for name in ("", "..", "../x.csv", "x.csv", "x", "/etc/passwd", other + ".part"):
        with pytest.raises(NotFound):
            await downloads.path(name)


async def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        await Downloads(tmp_path).keep("x", "csv", failing())
    assert os.listdir(tmp_path) == []

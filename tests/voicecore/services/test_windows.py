"""Counting within windows: in one process, and in a real Redis that several share."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipelines.errors import ConfigError, RateLimited
from voicecore.services.login_guard import LoginGuard
from voicecore.services.windows import Windows

RATE = "3 per hour"


class Redis:
    def __init__(self, folder: Path) -> None:
        self.url = f"redis+unix://{folder}/redis.sock"
        self._command = ["redis-server", "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--save", ""]
        self._folder = folder
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self._folder, stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        while b"ready to accept" not in (line := await self.process.stdout.readline()).lower():
            assert line, "redis-server ended"

    async def stop(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.communicate()


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    pytest.importorskip("redis", reason="the package redis is not installed: shared limits are not tested")
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on this machine: shared limits are not tested")
    server = Redis(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def test_a_window_has_room_for_so_many() -> None:
    windows = Windows()
    assert [(await windows.look("a", RATE, "x")).allowed for _ in range(5)] == [True] * 5
    assert [(c := await windows.hit("a", RATE, "x")).allowed for _ in range(4)] == [True, True, True, False]
    assert (c.limit, c.remaining) == (3, 0)
    assert 3590 < c.retry_after_s <= 3600
    assert not (await windows.look("a", RATE, "x")).allowed
    assert (await windows.hit("a", RATE, "y")).allowed
    assert (await windows.hit("b", RATE, "x")).allowed


async def test_processes_that_share_a_redis_count_together(redis: Redis) -> None:
    one, two = Windows(redis.url), Windows(redis.url)
    seen = [(await windows.hit("a", RATE, "x")).allowed for windows in (one, two, one, two, one)]
    assert seen == [True, True, True, False, False]
    assert (await two.look("a", RATE, "x")).remaining == 0
    for windows in (one, two):
        await windows.close()
    assert (await Windows().hit("a", RATE, "x")).allowed


async def test_without_redis_each_counts_for_itself_and_says_so(redis: Redis) -> None:
    windows = Windows(redis.url)
    assert (await windows.hit("a", RATE, "x")).remaining == 2
    await redis.stop()
    with capture_logs() as logs:
        assert [(await windows.hit("a", RATE, "x")).allowed for _ in range(4)] == [True, True, True, False]
    assert [entry["event"] for entry in logs] == ["limits_not_shared"]
    await windows.close()


@pytest.mark.parametrize("url", ["memcached://x", "postgres://x", "nonsense"])
def test_other_kinds_of_storage_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="redis"):
        Windows(url)


async def test_guessing_an_account_ends_and_locks_nobody_out() -> None:
    guard = LoginGuard(Windows())
    for n in range(100):
        await guard.admit("ada@x", f"10.0.0.{n}", known=False)
        await guard.failed("ada@x", f"10.0.0.{n}", known=False)
    with pytest.raises(RateLimited):
        await guard.admit("ada@x", "10.9.9.9", known=False)
    await guard.admit("ada@x", "192.0.2.1", known=True)  # where she has been before
    await guard.admit("bob@x", "10.9.9.9", known=False)

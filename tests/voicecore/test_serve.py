"""`voicecore serve` as a real process: killed, doubled, stopped in good order and at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
import yaml
from media_server import House, eventually, settings

from config.schema import ServerSettings
from pipelines.errors import ConfigError
from pipelines.events import EndReason
from voicecore.app import running
from voicecore.services.operator import opened


class Process:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    @classmethod
    async def start(cls, data: Path, *options: str, **changes: object) -> Process:
        file = data.parent / "server.yaml"
        wanted = settings(str(data), **changes)
        file.write_text(yaml.safe_dump(msgspec.to_builtins(wanted)))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICECORE_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voicecore", "serve", "--config", str(file), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean,
        )
        made = cls(process, "")
        with contextlib.suppress(EOFError):
            made.url = (await made.printed("voicecore serves on ")).split()[0]
        return made

    async def printed(self, start: str) -> str:
        """What follows `start` on a line of its output. Raises EOFError when it ends without."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while line := (await self.process.stdout.readline()).decode():
                if line.startswith(start):
                    return line.removeprefix(start)
        raise EOFError

    async def ended(self) -> tuple[int, str]:
        """Exit status and what it logged."""
        async with asyncio.timeout(30):
            _, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


class Abroad(House):
    """The test's view of a server in another process."""

    class Server(msgspec.Struct):
        url: str
        settings: ServerSettings


@pytest.fixture
def data(tmp_path: Path, seeded_data: Path) -> Path:
    return Path(shutil.copytree(seeded_data, tmp_path / "data"))


@contextlib.asynccontextmanager
async def serving(data: Path, **changes: object) -> AsyncIterator[tuple[Process, House]]:
    process = await Process.start(data, "--no-demo-call", **changes)
    wanted = settings(str(data))
    try:
        async with opened(wanted) as office:
            server = Abroad.Server(process.url, wanted)
            yield process, Abroad(server, office, [])  # type: ignore[arg-type]
    finally:
        if process.process.returncode is None:
            process.process.kill()
            await process.ended()


async def test_kill_9_loses_no_finished_turn(data: Path) -> None:
    async with serving(data) as (process, house), house.socket() as call:
        await call.start()
        await call.greeted(house)
        for _ in range(3):
            await call.say()
        await call.until("media")
        await call.until("mark")

        async def answered() -> bool:
            detail = await house.find(call.sid)
            return detail is not None and len(detail.turns) > 1 and any(house.recordings.rglob("*.wav"))

        await eventually(answered)
        before = await house.find(call.sid)
        with pytest.raises(ConfigError, match="another server uses"):
            async with running(settings(str(data))):
                pass
        process.process.kill()
        assert (await process.ended())[0] == -signal.SIGKILL
    assert before is not None
    async with serving(data) as (_, house):
        detail = await house.ended(call.sid)
        assert detail.call.end_reason is EndReason.SERVER_CRASHED
        assert detail.turns[: len(before.turns)] == before.turns
        (path,) = house.recordings.rglob("*.wav")
        with wave.open(str(path)) as file:
            assert file.getnframes() > 8000
            assert len(file.readframes(file.getnframes())) == file.getnframes() * 4


async def test_sigterm_lets_a_call_finish(data: Path) -> None:
    async with serving(data, drain_s=20) as (process, house), house.socket() as call:
        await call.start()
        await call.greeted(house)
        process.process.terminate()
        assert "1 call(s) may finish within 20 s" in await process.printed("draining: ")

        async def not_ready() -> bool:
            return (await house.get("/readyz"))[0] == 503

        await eventually(not_ready)
        async with aiohttp.ClientSession() as session:
            form = {"To": "+15550100000"}
            async with session.post(house.server.url + "/webhooks/twilio/voice", data=form) as response:
                assert "<Hangup" in await response.text()
        await call.say()
        await call.until("media")
        await call.leave("stop")
        assert (await call.closed())[0] == 1000
        assert (await process.ended())[0] == 0
        detail = await house.ended(call.sid)
        assert detail.call.end_reason is EndReason.CALLER_HANGUP
        assert detail.recording is not None


async def test_the_second_signal_ends_at_once(data: Path) -> None:
    async with serving(data, drain_s=600) as (process, house), house.socket() as call:
        await call.start()
        await call.greeted(house)
        process.process.send_signal(signal.SIGINT)
        await process.printed("draining: ")
        process.process.send_signal(signal.SIGINT)
        assert await call.closed() == (1001, "server_shutdown")
        assert (await process.ended())[0] == 0
        detail = await house.ended(call.sid)
        assert detail.call.end_reason is EndReason.SERVER_SHUTDOWN


async def test_a_second_start_keeps_the_data(data: Path) -> None:
    wanted = settings(str(data))
    async with opened(wanted) as office:
        async with running(wanted) as server:
            result = await House(server, office, []).call()
            login = await House(server, office, []).token()
        async with running(wanted) as server:
            house = House(server, office, [])
            detail = await house.ended(result.identity.call_sid)
            assert detail.call.end_reason is EndReason.CALLER_HANGUP
            async with house.socket("/ws/media/again") as call:
                await call.send({"event": "auth", "token": login})  # signed with the same secret
                await call.until("connected")
                await call.send({"event": "stop"})
                await call.closed()


async def test_the_demo_call_is_on_nobodys_books(data: Path) -> None:
    """What is said last, where to go, would come after it."""
    process = await Process.start(data)
    try:
        async with opened(settings(str(data))) as office:
            assert process.url
            assert not await office.only_demo()
            assert await office.recent(10) == []
    finally:
        process.process.terminate()
        status, _ = await process.ended()
    assert status == 0

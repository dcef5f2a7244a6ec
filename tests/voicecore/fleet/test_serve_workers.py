"""`voicecore serve --workers 2` as an operator runs it: signals, and a parent that is killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import aiohttp
import msgspec
import pytest
import yaml
from media_server import MEDIA, House, changed, eventually, settings

from config.schema import ServerSettings
from pipelines.events import EndReason
from voicecore.app import Server
from voicecore.phone.carrier import EndedBy
from voicecore.services.operator import opened

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


class Reached(msgspec.Struct, frozen=True):
    """As much of a server as its callers need."""

    settings: ServerSettings
    url: str


class Serving(House):
    process: asyncio.subprocess.Process

    @property
    def members(self) -> set[int]:
        """Process ids of those that the parent has started and that still run."""
        parent = self.process.pid
        return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}

    async def line(self, begin: str) -> str:
        """The next line of the output that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await self.process.stdout.readline()).decode():
                if line.startswith(begin):
                    return line
        raise AssertionError(f"the output ended without {begin!r}")

    async def talks(self) -> bool:
        return "\nvoicecore_calls_active 1.0\n" in (await self.get("/metrics"))[1]

    async def unready(self) -> bool:
        status, _ = await self.get("/readyz")
        return status == 503


def runs(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
async def serving(tmp_path: Path, seeded_data: Path) -> AsyncIterator[Serving]:
    data = tmp_path / "data"
    shutil.copytree(seeded_data, data)
    wanted = settings(str(data), changed(MEDIA, idle_timeout_s=30.0), workers=2, drain_s=60)
    config = tmp_path / "server.yaml"
    config.write_text(yaml.safe_dump(msgspec.to_builtins(wanted)))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICECORE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicecore", "serve", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean,
    )
    members: set[int] = set()
    try:
        house = Serving(cast(Server, Reached(wanted, "")), None, [])  # type: ignore[arg-type]
        house.process = process
        url = (await house.line("voicecore serves on ")).split()[3]
        house.server = cast(Server, Reached(wanted, url))
        members = house.members
        async with opened(wanted) as house.office:
            yield house
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await eventually(lambda: not any(map(runs, members)))


async def test_signals_restart_drain_and_end(serving: Serving) -> None:
    first = serving.members
    assert len(first) == 2
    talking = asyncio.create_task(serving.call(turns=2))
    await eventually(serving.talks)
    serving.process.send_signal(signal.SIGHUP)
    await serving.line("restarted")
    result = await talking
    assert (result.ended_by, [turn.answered for turn in result.turns]) == (EndedBy.CALLER, [True, True])
    assert (result.underruns, result.problem_count) == (0, 0)
    await eventually(lambda: len(serving.members) == 2, 20)
    assert not serving.members & first

    async with serving.socket() as call:
        await call.start()
        await call.greeted(serving)
        serving.process.terminate()
        assert "1 call(s) may finish within 60 s" in await serving.line("draining")
        await eventually(serving.unready)
        await call.say()
        await call.until("mark")
        serving.process.terminate()
        assert (await call.closed())[0] == 1001
        assert await asyncio.wait_for(serving.process.wait(), 15) == 0
    ended = await serving.ended(call.sid)
    assert ended.call.end_reason is EndReason.SERVER_SHUTDOWN
    assert len(ended.turns) == 2  # nothing of what was finished is lost


async def test_without_their_parent_members_end_by_themselves(serving: Serving) -> None:
    members = serving.members
    async with serving.socket() as call:
        await call.start()
        await call.greeted(serving)
        serving.process.kill()
        assert (await call.closed())[0] == 1001
    await eventually(lambda: not any(map(runs, members)), 15)
    ended = await serving.ended(call.sid)
    assert ended.call.end_reason is EndReason.SERVER_SHUTDOWN
    with pytest.raises(aiohttp.ClientConnectionError):
        await serving.get("/healthz")

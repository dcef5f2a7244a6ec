"""A provider's key is sent to the provider and shown nowhere: not while calls go well, not while everything fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from cloud_house import ENV_KEY, ENV_NAME, FILE_KEY, OWN_KEY, PLANTED, SHARED_KEY, Cloud, cloud
from media_server import QUICK, House, Serve, clip, eventually, settings

from benchmarks.emulators.base import Fault
from config.schema import PipelineSettings, ServerSettings
from pipelines.errors import NotFound
from pipelines.events import EventKind
from voicecore.doctor import Verdict, engines
from voicecore.domain.calls import CallStatus
from voicecore.phone.caller import Caller
from voicecore.phone.carrier import CallResult, Destination, place_call
from voicecore.services.calls import CallDetail
from voicecore.services.operator import Operator, opened

EVERYBODY = ("openai", "deepgram", "elevenlabs", "cartesia")
# Who is refused is left alone for minutes, and a socket that is open is not refused: a server of its own for that.
FAILING = (
    (Fault.NONE, ()),
    (Fault.MALFORMED, ("openai", "elevenlabs")),
    (Fault.SERVER_ERROR, ("openai", "deepgram")),
)
REFUSING = ((Fault.UNAUTHORIZED, EVERYBODY), (Fault.UNAUTHORIZED, ("openai",)))


def settings_of(providers: Cloud, data: Path) -> ServerSettings:
    stages = msgspec.convert(providers.stages(data.parent), PipelineSettings)
    return settings(str(data), pipeline="cloud", pipelines={"cloud": stages}, log_level="debug")


async def store_keys(wanted: ServerSettings) -> None:
    async with opened(wanted) as office:
        store = office.secrets(wanted)
        await store.set("voice", OWN_KEY, "org_demo")
        await store.set("voice", SHARED_KEY)
        await store.set("other-voice", SHARED_KEY)


@pytest.fixture
def data(tmp_path: Path, seeded_data: Path) -> Path:
    return Path(shutil.copytree(seeded_data, tmp_path / "data"))


@contextlib.asynccontextmanager
async def serving(wanted: ServerSettings, folder: Path) -> AsyncIterator[str]:
    """A server in a process of its own; what it prints goes to files in `folder`. Gives its address."""
    file = folder / "server.yaml"
    file.write_text(yaml.safe_dump(msgspec.to_builtins(wanted)))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICECORE_")}
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voicecore", "serve", "--config", str(file), "--no-demo-call"),
            stdout=out,
            stderr=err,
            env={**clean, ENV_NAME: ENV_KEY},
        )

    def url() -> str:
        _, _, rest = (folder / "stdout").read_text().partition("voicecore serves on ")
        return rest.split()[0] if "\n" in rest else ""

    try:
        yield await eventually(url, 30.0)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def call(url: str) -> CallResult:
    async with aiohttp.ClientSession() as session:
        return await place_call(session, Destination(url=url), Caller((clip(),), QUICK), timeout_s=20)


async def ended(office: Operator, sid: str) -> CallDetail:
    """The record of a call, once it is closed."""

    async def closed() -> CallDetail | None:
        with contextlib.suppress(NotFound):
            detail = await office.find(sid)
            return detail if detail.call.status is CallStatus.ENDED else None
        return None

    detail = await eventually(closed)
    assert detail is not None
    return detail


async def answers(url: str, sids: list[str]) -> list[str]:
    """Everything that the server tells its clients about calls, agents and itself."""
    async with aiohttp.ClientSession() as session:
        login = {"username": "ada@demo.example", "password": "ada-password"}
        async with session.post(f"{url}/api/v1/auth/login", json=login) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
        found = []
        for path in ("/api/v1/calls", "/api/v1/agents/reception", "/api/v1/usage", "/metrics", "/openapi.json"):
            async with session.get(url + path, headers=headers) as response:
                assert response.status == 200, path
                found.append(await response.text())
        listed = json.loads(found[0])["items"]
        assert {item["sid"] for item in listed} >= set(sids)
        for item in listed:
            async with session.get(f"{url}/api/v1/calls/{item['id']}", headers=headers) as response:
                found.append(await response.text())
        return found


def showing(folder: Path) -> list[str]:
    """Files that have a key in them, other than the one that is to hold it."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "provider.key"]
    assert any(file.suffix == ".trace" for file in files)
    assert any(file.suffix == ".db" for file in files)
    return [str(file.relative_to(folder)) for file in files if PLANTED.encode() in file.read_bytes()]


async def calls_with(
    steps: Sequence[tuple[Fault, Sequence[str]]], wanted: ServerSettings, providers: Cloud, folder: Path
) -> list[CallDetail]:
    """One call for each step, on one server; then it is looked everywhere for a key."""
    providers.misbehave(*steps[0])
    await store_keys(wanted)
    async with serving(wanted, folder) as url:
        sids = []
        for fault, who in steps:
            providers.misbehave(fault, who)
            result = await call(url)
            sids.append(result.identity.call_sid)
        async with opened(wanted) as office:
            details = [await ended(office, sid) for sid in sids]
        told = await answers(url, sids)
    assert (folder / "stderr").read_text(), "it logs"
    assert showing(folder) == []
    assert [text for text in told if PLANTED in text] == []
    assert PLANTED not in repr(details) + repr(wanted)
    return details


def trouble(details: Sequence[CallDetail]) -> list[dict[str, Any]]:
    kinds = (EventKind.STAGE_FAILED, EventKind.STAGE_SWITCHED)
    return [event.data for detail in details for event in detail.events if event.kind in kinds]


async def test_a_key_shows_nowhere_when_providers_work_and_when_they_fail(data: Path, tmp_path: Path) -> None:
    async with cloud() as providers:
        first, *failed = await calls_with(FAILING, settings_of(providers, data), providers, tmp_path)
    assert [turn.heard_text for turn in first.turns] == ["Welcome to Demo.", "We open at nine."], "it works at all"
    assert set(first.call.usage) >= {"deepgram/nova-3", "openai/gpt-4.1-mini", "elevenlabs/eleven_flash_v2_5"}
    assert first.call.cost_microusd == sum(turn.cost_microusd or 0 for turn in first.turns) > 0
    assert {data["stage"] for data in trouble(failed)} >= {"stt", "llm"}, "the voice has what it says then in stock"


async def test_a_key_shows_nowhere_when_it_is_refused(data: Path, tmp_path: Path) -> None:
    async with cloud() as providers:
        details = await calls_with(REFUSING, settings_of(providers, data), providers, tmp_path)
    refused = {data["provider"] for data in trouble(details) if "401" in str(data)}
    assert refused >= set(EVERYBODY)


async def test_each_provider_is_sent_its_own_key(data: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for each organization the one that it has."""
    monkeypatch.setenv(ENV_NAME, ENV_KEY)
    async with cloud() as providers:
        wanted = settings_of(providers, data)
        await store_keys(wanted)
        house: House = await serve(wanted)
        result = await house.call()
        detail = await house.ended(result.identity.call_sid)
        assert detail.turns[-1].heard_text == "We open at nine."
        assert providers.seen == {
            "OpenaiEmulator": {ENV_KEY},
            "DeepgramEmulator": {FILE_KEY},
            "ElevenLabsEmulator": {OWN_KEY, SHARED_KEY},  # the other organization has an agent, too
            "CartesiaEmulator": set(),
        }


@pytest.mark.parametrize("plain", [OWN_KEY, "sk:1234"])
async def test_a_key_in_plain_text_is_refused_over_rest_and_not_repeated(serve: Serve, plain: str) -> None:
    house = await serve()
    body: dict[str, Any] = {"config": {"stages": {"llm": {"provider": "openai", "options": {"api_key": plain}}}}}
    headers = {"Authorization": f"Bearer {await house.token()}"}
    url = f"{house.server.url}/api/v1/agents/reception"
    async with aiohttp.ClientSession() as session:
        async with session.put(url, json=body, headers=headers) as response:
            text = await response.text()
        assert response.status == 422, text
        assert "config.stages.llm.options" in text
        assert plain not in text
        body["config"]["stages"]["llm"]["options"]["api_key"] = "store:ours"
        async with session.put(url, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
    assert plain not in repr(house.logged)


async def test_the_doctor_tells_the_place_and_not_the_key(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_NAME, ENV_KEY)
    async with cloud() as providers:
        wanted = settings_of(providers, data)
        missing = [finding async for finding in engines(wanted)]
        assert {f.check: f.advice for f in missing if f.verdict is not Verdict.OK} == {
            "tts/elevenlabs": "voicecore secrets set voice",
            "tts/cartesia": "voicecore secrets set other-voice",
        }
        await store_keys(wanted)
        offline = [finding async for finding in engines(wanted)]
        assert {finding.verdict for finding in offline} == {Verdict.OK}, offline
        assert [emulator.connections for emulator in providers.all] == [0, 0, 0, 0], "nobody was asked"
        assert any(f"env:{ENV_NAME}" in finding.text for finding in offline)
        online = [finding async for finding in engines(wanted, online=True)]
        assert {finding.verdict for finding in online} == {Verdict.OK}, online
        assert all(emulator.connections for emulator in providers.all)
        providers.misbehave(Fault.UNAUTHORIZED, EVERYBODY)
        refused = [finding async for finding in engines(wanted, online=True)]
        assert [f.check for f in refused if f.verdict is Verdict.OK] == ["vad/webrtc"], refused
        monkeypatch.delenv(ENV_NAME)
        unset = [finding async for finding in engines(wanted)]
        assert f"export {ENV_NAME}=…" in {finding.advice for finding in unset}
    assert PLANTED not in repr([missing, offline, online, refused, unset])

"""Several processes behind one port: real members, this process as their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from media_server import House, RawSocket, eventually, settings
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from config.schema import MediaSettings, ServerSettings
from pipelines.ending import GOODBYE_GRACE_MS
from pipelines.events import EndReason, EventKind
from voicecore.app import Server, url_of
from voicecore.data_directory import data_ready
from voicecore.domain.calls import CallStatus
from voicecore.fleet.parent import Fleet
from voicecore.phone.carrier import CallResult, EndedBy
from voicecore.phone.twiml import parse_twiml
from voicecore.services.operator import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEDIA = MediaSettings(start_timeout_s=5.0, idle_timeout_s=30.0)
VOICE = "/webhooks/twilio/voice"


class Reached(msgspec.Struct, frozen=True):
    """As much of a server as its callers need."""

    settings: ServerSettings
    url: str


class Company(House):
    """A house of several processes."""

    fleet: Fleet

    async def node(self, sid: str) -> str:
        """Which process has the call."""

        async def found() -> str:
            detail = await self.find(sid)
            return detail.call.node if detail is not None else ""

        return await eventually(found)

    async def figures(self, session: aiohttp.ClientSession | None = None) -> Counter[str]:
        """Sums over the labels, by name; of the process at the other end of `session`, if there is one."""
        async with contextlib.AsyncExitStack() as stack:
            asking = session or await stack.enter_async_context(aiohttp.ClientSession())
            async with asking.get(self.server.url + "/metrics") as response:
                text = await response.text()
        sums: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] += int(sample.value)
        return sums

    async def active(self, calls: int) -> None:
        async def there() -> bool:
            return (await self.figures())["voicecore_calls_active"] == calls

        await eventually(there)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(tmp_path_factory: pytest.TempPathFactory, seeded_data: Path) -> AsyncIterator[Company]:
    data = tmp_path_factory.mktemp("fleet") / "data"
    shutil.copytree(seeded_data, data)
    wanted = settings(str(data), MEDIA, workers=2, drain_s=20)
    async with data_ready(wanted) as ready, opened(wanted) as office:
        fleet = Fleet(wanted, ready.node, ready.recover)
        try:
            await fleet.start()
            house = Company(cast(Server, Reached(wanted, url_of(wanted, fleet.port))), office, [])
            house.fleet = fleet
            yield house
        finally:
            await asyncio.wait_for(fleet.stop(), 30)
            assert fleet.members == {}


@contextlib.asynccontextmanager
async def held(company: Company, count: int, *, at_once: int = 1) -> AsyncIterator[list[RawSocket]]:
    """Calls that last until they are ended; so many of them begin together."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin(call: RawSocket) -> None:
            await call.start()
            await call.greeted(company)

        calls: list[RawSocket] = []
        while len(calls) < count:
            calls += [await stack.enter_async_context(company.socket()) for _ in range(at_once)]
            await asyncio.gather(*(begin(call) for call in calls[-at_once:]))
        yield calls
        for call in calls:
            with contextlib.suppress(ConnectionError, OSError):
                await call.leave("reset")
    for call in calls:
        await company.ended(call.sid)


def whole(result: CallResult, turns: int) -> bool:
    """Did this call go as if nothing had happened?"""
    return (
        result.ended_by is EndedBy.CALLER
        and [turn.answered for turn in result.turns] == [True] * turns
        and (result.underruns, result.problem_count) == (0, 0)
    )


async def ring(company: Company, session: aiohttp.ClientSession, number: int = 1) -> str:
    """What the webhook says: the path of the media URL."""
    form = {"CallSid": f"CAring{number}", "From": "+491", "To": "+15550100000"}
    async with session.post(company.server.url + VOICE, data=form) as response:
        assert response.status == 200
        return parse_twiml(await response.text()).url.removeprefix(company.ws)


async def test_calls_spread_evenly_and_all_are_answered(company: Company) -> None:
    before = await company.figures()
    results = await asyncio.gather(*(company.call() for _ in range(8)))
    assert all(whole(result, 1) for result in results)
    details = [await company.ended(result.identity.call_sid) for result in results]
    assert sorted(Counter(detail.call.node for detail in details).values()) == [4, 4]
    assert {detail.call.node for detail in details} == set(company.fleet.members)
    after = await company.figures()
    assert after["voicecore_calls_total"] - before["voicecore_calls_total"] == 8
    assert after["voicecore_turns_total"] - before["voicecore_turns_total"] == 16  # a greeting each


async def test_calls_that_come_one_after_the_other_spread_too(company: Company) -> None:
    async with held(company, 6) as calls:
        nodes = Counter([await company.node(call.sid) for call in calls])
        assert sorted(nodes.values()) == [3, 3]
        async with aiohttp.ClientSession() as one, aiohttp.ClientSession() as other:  # connections to both processes
            for _ in range(2):
                found = [await company.figures(session) for session in (one, other)]
                assert [figures["voicecore_calls_active"] for figures in found] == [6, 6]
                assert [figures["voicecore_media_connections"] for figures in found] == [6, 6]
    await company.active(0)


async def hears_it_out(call: RawSocket, company: Company) -> None:
    """A closing sentence that is over by the clock, the mark for which the server waits all the same, and the end."""
    await company.happened(call.sid, EventKind.REPLY_FINISHED, times=2)  # the greeting was the first
    *_, last = await call.marks()
    await call.send(last)
    assert (await call.closed(timeout_s=GOODBYE_GRACE_MS / 1000 / 2))[0] == 1000


async def test_a_call_is_hung_up_from_any_process(company: Company) -> None:
    headers = {"Authorization": f"Bearer {await company.token()}"}
    async with held(company, 2) as calls, aiohttp.ClientSession(headers=headers) as session:
        assert len({await company.node(call.sid) for call in calls}) == 2
        details = [await company.find(call.sid) for call in calls]
        urls = [f"{company.server.url}/api/v1/calls/{detail.call.external_id}/hangup" for detail in details if detail]
        for url in urls:  # over one connection, so one of the two is the other process's
            async with session.post(url) as response:
                assert response.status == 200
                assert (await response.json())["id"] == url.split("/")[-2]
        await asyncio.gather(*(hears_it_out(call, company) for call in calls))
        for call, url in zip(calls, urls, strict=True):
            assert (await company.ended(call.sid)).call.end_reason is EndReason.AGENT_HANGUP
            async with session.post(url) as response:
                assert response.status == 409
        async with session.post(f"{company.server.url}/api/v1/calls/nobody/hangup") as response:
            assert response.status == 404
        other = {"Authorization": f"Bearer {await company.token('bob@other.example')}"}
        async with session.post(url, headers=other) as response:
            assert response.status == 404


async def test_a_token_used_at_one_process_is_refused_at_the_other(company: Company) -> None:
    async with aiohttp.ClientSession() as session:
        path = await ring(company, session)
    async with company.socket(path) as call:
        await call.start(sid="CAring1")
        await call.until("mark")
        for _ in range(2):  # the first goes to the process that has no call
            with pytest.raises(InvalidStatus) as refused:
                async with company.socket(path):
                    pass
            assert refused.value.response.status_code == 403
            assert refused.value.response.body == b"the media token was used before"
        await call.leave("stop")
    await company.ended("CAring1")


async def test_two_writers_under_load_lose_nothing(company: Company) -> None:
    before = await company.figures()

    async def talk(call: RawSocket) -> None:
        for turn in range(1, 11):
            await call.say()
            await call.until("mark")
            await company.happened(call.sid, EventKind.REPLY_FINISHED, times=turn + 1)

    async with held(company, 20, at_once=10) as calls:
        await asyncio.gather(*(talk(call) for call in calls))
    details = [await company.ended(call.sid) for call in calls]
    assert len({detail.call.node for detail in details}) == 2
    gained = await company.figures()
    gained.subtract(before)
    assert sum(len(detail.turns) for detail in details) == gained["voicecore_turns_total"] >= 200
    assert {len(detail.turns) for detail in details} == {11}
    assert gained["voicecore_writer_dropped_events_total"] == gained["voicecore_writer_refused_facts_total"] == 0


async def test_a_process_that_dies_takes_only_its_own_calls_and_is_replaced(company: Company) -> None:
    old = company.fleet.members
    async with held(company, 1) as (victim, *_):
        node = await company.node(victim.sid)
        talking = asyncio.create_task(company.call(turns=2))  # goes to the other one
        await company.active(2)
        os.kill(old[node], signal.SIGKILL)
        await victim.closed()
        crashed = (await company.ended(victim.sid)).call
        assert (crashed.status, crashed.end_reason) == (CallStatus.ENDED, EndReason.SERVER_CRASHED)
        result = await talking
    assert whole(result, 2)
    assert (await company.node(result.identity.call_sid)) in set(old) - {node}
    await eventually(lambda: len(company.fleet.members) == 2 and node not in company.fleet.members)
    async with held(company, 2) as calls:
        assert {await company.node(call.sid) for call in calls} == set(company.fleet.members)


async def test_a_rolling_restart_drops_nobody(company: Company) -> None:
    old = set(company.fleet.members)
    talking = [asyncio.create_task(company.call(turns=2)) for _ in range(4)]
    await company.active(4)
    rung: list[str] = []

    enough = asyncio.Event()

    async def keep_ringing(session: aiohttp.ClientSession) -> None:
        while not enough.is_set():
            rung.append(await ring(company, session, len(rung)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), 0.02)

    # Connections of one ring each, as carriers make them, and one that is kept alive, as a proxy does.
    fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    async with fresh, aiohttp.ClientSession() as kept:
        await ring(company, kept)
        ringing = asyncio.create_task(keep_ringing(fresh))
        await company.fleet.restart()
        ring_after = len(rung)
        new = set(company.fleet.members) - old
        late = await company.call()  # while the old ones still talk
        await eventually(lambda: len(rung) > ring_after + 20)
        enough.set()
        await ringing  # every ring was answered with a line
        results = await asyncio.gather(*talking)
        assert all(whole(result, 2) for result in results)
        assert {await company.node(result.identity.call_sid) for result in results} <= old
        assert whole(late, 1)
        assert await company.node(late.identity.call_sid) in new
        await eventually(lambda: set(company.fleet.members) == new, 20)
        await ring(company, kept)
    assert len(new) == 2
    async with company.socket(rung[-1]) as call:  # promised by whichever process
        await call.start(sid=f"CAring{len(rung) - 1}")
        await call.until("mark")
        await call.leave("stop")


async def test_a_drain_waits_for_the_calls_and_turns_others_away(company: Company) -> None:
    fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    async with held(company, 1) as (call,), fresh as session:
        draining = asyncio.create_task(company.fleet.drain())
        await eventually(lambda: len(company.fleet.members) == 1)  # who has no call leaves at once
        assert await unready(company, session) == ["draining"]
        async with session.post(company.server.url + VOICE, data={"To": "+15550100000"}) as response:
            assert "All lines are busy" in await response.text()
        await call.say()
        await call.until("mark")  # still answered
        assert not draining.done()
        await call.leave("stop")
        await asyncio.wait_for(draining, 20)
    ended = await company.ended(call.sid)
    assert ended.call.end_reason is EndReason.CALLER_HANGUP
    assert ended.turns[1].caller_text
    assert company.fleet.members == {}


async def unready(company: Company, session: aiohttp.ClientSession) -> list[str]:
    """What `/readyz` complains about."""
    async with session.get(company.server.url + "/readyz") as response:
        checks = (await response.json())["checks"]
        found = [why for why in checks.values() if why != "ok"]
        assert (response.status == 503) == bool(found)
    return found

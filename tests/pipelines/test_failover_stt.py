"""Fallbacks of the recogniser: who hears the utterance again, when, and that it is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.errors import Remedy, StageError
from pipelines.failover_stt import STT_LIMITS, open_stt
from pipelines.news import Hedged, News, Report, Switched
from pipelines.roster import Named
from pipelines.stages import Expect, Stt, SttOptions, SttSession, Transcript


class Hearing:
    """An `SttSession` that repeats the audio it was given, or fails."""

    def __init__(self, engine: HearingEngine) -> None:
        self.engine = engine
        self.heard = b""
        self.expect: Expect | None = None
        self.closed = False

    @property
    def partial(self) -> str:
        return self.heard.decode()

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self.heard, self.expect = b"", expect

    def feed(self, pcm: bytes) -> None:
        self.heard += pcm

    async def flush(self) -> Transcript:
        if self.engine.hangs:
            await asyncio.get_running_loop().create_future()
        if self.engine.failures:
            self.engine.failures -= 1
            raise StageError("deaf", stage="stt", provider=self.engine.name, remedy=self.engine.remedy)
        return Transcript(f"{self.engine.name} heard {self.heard.decode()}")

    def end(self) -> None:
        self.heard = b""

    async def close(self) -> None:
        self.closed = True


class HearingEngine:
    def __init__(self, name: str, *, failures: int = 0, opens: bool = True, remedy: Remedy = Remedy.RETRY) -> None:
        self.name, self.failures, self.opens, self.remedy = name, failures, opens, remedy
        self.hangs = False
        self.sessions: list[Hearing] = []

    async def open(self, options: SttOptions) -> SttSession:
        if not self.opens:
            raise StageError("refused", stage="stt", provider=self.name)
        self.sessions.append(Hearing(self))
        return self.sessions[-1]

    async def close(self) -> None: ...


def noted(news: list[tuple[str, str]]) -> Report:
    def note(told: News) -> None:
        if isinstance(told, Switched):
            news.append((told.provider, told.to))

    return note


async def said(engines: Sequence[HearingEngine]) -> tuple[str, list[tuple[str, str]]]:
    """What the engines make of "ab", and who was reported."""
    news: list[tuple[str, str]] = []
    session = await open_stt(
        [Named[Stt](engine.name, engine) for engine in engines],
        SttOptions(),
        noted(news),
    )
    try:
        session.begin(Expect.DATE)
        session.feed(b"a")
        session.feed(b"b")
        return (await session.flush()).text, news
    finally:
        session.end()
        await session.close()
        assert all(one.closed for engine in engines for one in engine.sessions)


@in_virtual_time
async def test_another_recogniser_hears_the_whole_utterance_again() -> None:
    engines = [HearingEngine("first", failures=1), HearingEngine("second")]
    engines[0].remedy = Remedy.SWITCH
    assert await said(engines) == ("second heard ab", [("first", "second")])
    assert engines[1].sessions[0].expect is Expect.DATE


@in_virtual_time
async def test_a_recogniser_that_hangs_is_replaced_in_time() -> None:
    engines = [HearingEngine("first"), HearingEngine("second")]
    engines[0].hangs = True
    began = virtual_loop().time()
    assert await said(engines) == ("second heard ab", [])
    assert virtual_loop().time() - began == pytest.approx(STT_LIMITS.hedge_s)


@in_virtual_time
async def test_the_only_recogniser_is_restarted_once() -> None:
    assert await said([HearingEngine("only", failures=1)]) == ("only heard ab", [("only", "only")])
    engine = HearingEngine("only", failures=99)
    with pytest.raises(StageError, match="deaf"):
        await said([engine])
    assert engine.failures == 97


@in_virtual_time
async def test_what_cannot_be_retried_is_not_and_the_report_says_so() -> None:
    news: list[tuple[str, str]] = []
    session = await open_stt(
        [Named[Stt]("only", HearingEngine("only", failures=1, remedy=Remedy.STOP))], SttOptions(), noted(news)
    )
    with pytest.raises(StageError, match="deaf"):
        await session.flush()
    assert news == [("only", "")]
    assert session.partial == ""
    await session.close()


@in_virtual_time
async def test_a_recogniser_that_does_not_open_is_passed_over() -> None:
    engines = [HearingEngine("shut", opens=False), HearingEngine("second")]
    assert await said(engines) == ("second heard ab", [("shut", "second")])
    with pytest.raises(StageError, match="refused"):
        await said([HearingEngine("shut", opens=False)])


@in_virtual_time
async def test_a_new_utterance_forgets_the_old_one() -> None:
    engines = [HearingEngine("first"), HearingEngine("second")]
    session = await open_stt([Named[Stt](e.name, e) for e in engines], SttOptions(), lambda news: None)
    session.begin()
    session.feed(b"old")
    session.end()
    session.begin()
    session.feed(b"new")
    engines[0].failures = 2  # the second chance that a quick failure gets, too
    assert (await session.flush()).text == "second heard new"
    await session.close()


@in_virtual_time
async def test_a_slow_recogniser_is_raced_on_the_kept_utterance_and_the_winner_keeps_the_call() -> None:
    engines = [HearingEngine("first"), HearingEngine("second")]
    news: list[News] = []
    session = await open_stt([Named[Stt](e.name, e) for e in engines], SttOptions(), news.append)
    session.begin(Expect.DATE)
    session.feed(b"a")
    engines[0].hangs = True
    flushing = asyncio.ensure_future(session.flush())
    await pass_ms(100)
    session.feed(b"b")
    assert (await flushing).text == "second heard ab"
    assert news == [Hedged("stt", "first", "second", "second")]
    assert engines[0].sessions[0].closed
    session.feed(b"c")
    assert (await session.flush()).text == "second heard abc"
    assert len(engines[1].sessions) == 1
    await session.close()
    assert engines[1].sessions[0].closed


@in_virtual_time
async def test_a_flush_that_is_cancelled_in_a_race_leaves_the_session_usable() -> None:
    engines = [HearingEngine("first"), HearingEngine("second")]
    session = await open_stt([Named[Stt](e.name, e) for e in engines], SttOptions(), lambda news: None)
    session.begin()
    session.feed(b"a")
    engines[0].hangs = engines[1].hangs = True
    flushing = asyncio.ensure_future(session.flush())
    await pass_ms(1000)
    flushing.cancel()
    await asyncio.wait([flushing])
    assert [e.sessions[0].closed for e in engines] == [False, True]
    engines[0].hangs = False
    session.feed(b"b")
    assert (await session.flush()).text == "first heard ab"
    await session.close()


@in_virtual_time
async def test_a_recogniser_that_never_opens_is_passed_over_in_time() -> None:
    class Shut(HearingEngine):
        async def open(self, options: SttOptions) -> SttSession:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("nobody waits for ever")

    began = virtual_loop().time()
    assert await said([Shut("shut"), HearingEngine("second")]) == ("second heard ab", [("shut", "second")])
    assert virtual_loop().time() - began == pytest.approx(STT_LIMITS.switch_s)

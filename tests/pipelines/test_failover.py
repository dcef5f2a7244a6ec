"""Fallbacks: who takes over, when, and that it is reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import pytest
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.failover import (
    LLM_LIMITS,
    STT_SWITCH_S,
    TTS_LIMITS,
    FailoverLlm,
    FailoverTts,
    Named,
    Switched,
    open_stt,
)
from pipelines.stages import (
    Expect,
    Llm,
    LlmEvent,
    LlmRequest,
    Message,
    Stt,
    SttOptions,
    SttSession,
    TextDelta,
    Transcript,
    Tts,
    TtsChunk,
    Voice,
)
from pipelines.stock import Stock

REQUEST = LlmRequest([], [])
DEFAULT_VOICE = Voice()


class Engine:
    """A model and a voice that gives its pieces, then fails, hangs or ends."""

    def __init__(self, *pieces: str, then: str = "ends", after_ms: float = 10.0) -> None:
        self.pieces, self.then, self.after_ms = pieces, then, after_ms
        self.open = self.asked = 0
        self.voices: list[Voice] = []

    async def _give(self) -> AsyncGenerator[str, None]:
        self.open += 1
        self.asked += 1
        try:
            for piece in self.pieces:
                await pass_ms(self.after_ms)
                yield piece
            if self.then == "fails":
                raise StageError("broken", stage="any", provider="scripted")
            if self.then == "hangs":
                await asyncio.get_running_loop().create_future()
        finally:
            self.open -= 1

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        async with aclosing(self._give()) as pieces:
            async for piece in pieces:
                yield TextDelta(piece)

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        self.voices.append(voice)
        async with aclosing(self._give()) as pieces:
            async for piece in pieces:
                yield TtsChunk(piece.encode())

    async def close(self) -> None:
        raise AssertionError("shared engines are not closed by a call")


class Play:
    """Asks a list of engines for one answer."""

    def __init__(self, *engines: Engine, stage: str = "llm") -> None:
        self.engines = engines
        self.stage = stage
        self.news: list[tuple[str, str]] = []
        self.got: list[str] = []

    def report(self, news: Switched) -> None:
        assert news.stage == self.stage
        assert news.error
        self.news.append((news.provider, news.to))

    async def ask(self, voice: Voice = DEFAULT_VOICE) -> list[str]:
        self.got.clear()
        if self.stage == "llm":
            llm = FailoverLlm([Named[Llm](f"e{i}", e) for i, e in enumerate(self.engines)], self.report)
            async with aclosing(llm.stream(REQUEST)) as events:
                async for event in events:
                    assert isinstance(event, TextDelta)
                    self.got.append(event.text)
            await llm.close()
        else:
            tts = FailoverTts([Named[Tts](f"e{i}", e) for i, e in enumerate(self.engines)], self.report)
            async with aclosing(tts.synthesize("text", voice, TELEPHONE)) as chunks:
                async for chunk in chunks:
                    self.got.append(chunk.audio.decode())
            await tts.close()
        assert all(engine.open == 0 for engine in self.engines)
        return self.got


def each_stage(test: Callable[[str], object]) -> object:
    return pytest.mark.parametrize("stage", ["llm", "tts"])(test)


@each_stage
@in_virtual_time
async def test_a_sound_engine_is_left_alone(stage: str) -> None:
    play = Play(Engine("a", "b"), Engine("x"), stage=stage)
    assert await play.ask() == ["a", "b"]
    assert play.news == []


@each_stage
@in_virtual_time
async def test_the_next_engine_takes_over_and_it_is_reported(stage: str) -> None:
    play = Play(Engine(then="fails"), Engine(then="fails"), Engine("x"), stage=stage)
    assert await play.ask() == ["x"]
    assert play.news == [("e0", "e1"), ("e1", "e2")]


@each_stage
@in_virtual_time
async def test_an_engine_that_gives_nothing_is_waited_for_only_so_long(stage: str) -> None:
    play = Play(Engine(then="hangs"), Engine("x"), stage=stage)
    began = virtual_loop().time()
    assert await play.ask() == ["x"]
    limits = LLM_LIMITS if stage == "llm" else TTS_LIMITS
    assert virtual_loop().time() - began == pytest.approx(limits.switch_s + 0.01)
    assert play.news == [("e0", "e1")]


@each_stage
@in_virtual_time
async def test_an_only_engine_is_waited_for_longer(stage: str) -> None:
    play = Play(Engine(then="hangs"), stage=stage)
    began = virtual_loop().time()
    with pytest.raises(StageTimeout):
        await play.ask()
    limits = LLM_LIMITS if stage == "llm" else TTS_LIMITS
    assert virtual_loop().time() - began == pytest.approx(limits.first_s)
    assert play.news == [("e0", "")]


@each_stage
@in_virtual_time
async def test_an_engine_that_gives_nothing_at_all_has_failed(stage: str) -> None:
    play = Play(Engine(), Engine("x"), stage=stage)
    assert await play.ask() == ["x"]
    assert play.news == [("e0", "e1")]


@each_stage
@in_virtual_time
async def test_an_only_engine_is_asked_again_once(stage: str) -> None:
    engine = Engine(then="fails")
    play = Play(engine, stage=stage)
    with pytest.raises(StageError, match="broken"):
        await play.ask()
    assert play.news == [("e0", "e0"), ("e0", "")]
    assert engine.asked == 2


@in_virtual_time
async def test_nothing_to_add_to_a_tool_and_nothing_that_can_be_spoken_are_no_failures() -> None:
    llm = FailoverLlm([Named[Llm]("e0", Engine())], lambda news: pytest.fail(str(news)))
    request = LlmRequest([Message("user", "bye"), Message("tool", "{}", tool_call_id="1")], [])
    assert [event async for event in llm.stream(request)] == []
    tts = FailoverTts([Named[Tts]("e0", Engine())], lambda news: pytest.fail(str(news)))
    assert [chunk async for chunk in tts.synthesize("…", Voice(), TELEPHONE)] == []


@in_virtual_time
async def test_what_is_in_stock_is_spoken_without_any_voice() -> None:
    engine, stock = Engine("one", "moment"), Stock({"One moment."})
    tts = FailoverTts([Named[Tts]("e0", engine)], lambda news: None, stock)

    async def spoken(text: str, voice: Voice = DEFAULT_VOICE) -> list[bytes]:
        return [chunk.audio async for chunk in tts.synthesize(text, voice, TELEPHONE)]

    for text in ("One moment.", "Something else."):
        assert await spoken(text) == [b"one", b"moment"]
    engine.pieces, engine.then = (), "hangs"
    began = virtual_loop().time()
    assert await spoken("One moment.") == [b"one", b"moment"]
    assert virtual_loop().time() == began
    for text, voice in (("Something else.", DEFAULT_VOICE), ("One moment.", Voice("anna"))):
        with pytest.raises(StageTimeout):
            await spoken(text, voice)


@in_virtual_time
async def test_what_another_voice_said_or_broke_off_is_not_kept() -> None:
    stock = Stock({"One moment."})
    first, second = Engine(then="fails"), Engine("x")
    tts = FailoverTts([Named[Tts]("e0", first), Named[Tts]("e1", second)], lambda news: None, stock)
    assert [chunk.audio async for chunk in tts.synthesize("One moment.", Voice(), TELEPHONE)] == [b"x"]
    first.pieces = ("half",)
    with pytest.raises(StageError, match="broken"):
        _ = [chunk async for chunk in tts.synthesize("One moment.", Voice(), TELEPHONE)]
    assert stock.shelf(first, Voice(), TELEPHONE).get("One moment.") is None


@in_virtual_time
async def test_stocking_up_makes_each_text_once() -> None:
    engine, stock = Engine("x"), Stock({"One.", "Two."})
    tts = FailoverTts([Named[Tts]("e0", engine)], lambda news: None, stock)
    for _ in range(2):
        await tts.stock_up(["One.", "Two."], Voice(), TELEPHONE)
    assert engine.asked == 2
    engine.then = "fails"
    with pytest.raises(StageError):
        await tts.stock_up(["One."], Voice("anna"), TELEPHONE)


@each_stage
@in_virtual_time
async def test_nobody_takes_over_in_the_middle_of_an_answer(stage: str) -> None:
    play = Play(Engine("a", then="fails"), Engine("x"), stage=stage)
    with pytest.raises(StageError, match="broken"):
        await play.ask()
    assert play.got == ["a"]
    assert play.news == [("e0", "")]


@each_stage
@in_virtual_time
async def test_a_stall_in_the_middle_has_a_deadline_too(stage: str) -> None:
    play = Play(Engine("a", then="hangs"), Engine("x"), stage=stage)
    with pytest.raises(StageTimeout):
        await play.ask()
    assert play.news == [("e0", "")]


@each_stage
@in_virtual_time
async def test_a_slow_reader_is_no_stall(stage: str) -> None:
    engine = Engine("a", "b")
    llm = FailoverLlm([Named[Llm]("e0", engine)], lambda news: None)
    tts = FailoverTts([Named[Tts]("e0", engine)], lambda news: None)
    stream = llm.stream(REQUEST) if stage == "llm" else tts.synthesize("text", Voice(), TELEPHONE)
    async with aclosing(stream) as items:
        async for _ in items:
            await pass_ms(60_000)
    assert engine.open == 0


@each_stage
@in_virtual_time
async def test_when_all_fail_the_last_error_is_raised(stage: str) -> None:
    play = Play(Engine(then="fails"), Engine(then="fails"), stage=stage)
    with pytest.raises(StageError, match="broken"):
        await play.ask()
    assert play.news == [("e0", "e1"), ("e1", "")]


@each_stage
@in_virtual_time
async def test_closing_early_closes_the_engine_at_once(stage: str) -> None:
    engine = Engine("a", "b")
    llm = FailoverLlm([Named[Llm]("e0", engine)], lambda news: None)
    tts = FailoverTts([Named[Tts]("e0", engine)], lambda news: None)
    stream = llm.stream(REQUEST) if stage == "llm" else tts.synthesize("text", Voice(), TELEPHONE)
    await anext(stream)
    assert engine.open == 1
    await stream.aclose()
    assert engine.open == 0


@in_virtual_time
async def test_a_voice_id_is_not_taken_to_another_provider() -> None:
    first, second = Engine(then="fails"), Engine("x")
    chosen = Voice("anna", "de", 1.2, {"style": 3})
    await Play(first, second, stage="tts").ask(chosen)
    assert first.voices == [chosen]
    assert second.voices == [Voice("", "de", 1.2)]


# --- recogniser -----------------------------------------------------------------------------------


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


async def said(engines: Sequence[HearingEngine]) -> tuple[str, list[tuple[str, str]]]:
    """What the engines make of "ab", and who was reported."""
    news: list[tuple[str, str]] = []
    session = await open_stt(
        [Named[Stt](engine.name, engine) for engine in engines],
        SttOptions(),
        lambda switched: news.append((switched.provider, switched.to)),
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
    assert await said(engines) == ("second heard ab", [("first", "second")])
    assert engines[1].sessions[0].expect is Expect.DATE


@in_virtual_time
async def test_a_recogniser_that_hangs_is_replaced_in_time() -> None:
    engines = [HearingEngine("first"), HearingEngine("second")]
    engines[0].hangs = True
    began = virtual_loop().time()
    assert await said(engines) == ("second heard ab", [("first", "second")])
    assert virtual_loop().time() - began == pytest.approx(STT_SWITCH_S)


@in_virtual_time
async def test_the_only_recogniser_is_restarted_once() -> None:
    assert await said([HearingEngine("only", failures=1)]) == ("only heard ab", [("only", "only")])
    engine = HearingEngine("only", failures=99)
    with pytest.raises(StageError, match="deaf"):
        await said([engine])
    assert engine.failures == 97


@in_virtual_time
async def test_what_cannot_be_retried_is_not_and_the_report_says_so() -> None:
    news: list[Switched] = []
    session = await open_stt(
        [Named[Stt]("only", HearingEngine("only", failures=1, remedy=Remedy.STOP))], SttOptions(), news.append
    )
    with pytest.raises(StageError, match="deaf"):
        await session.flush()
    assert [(switched.provider, switched.to) for switched in news] == [("only", "")]
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
    engines[0].failures = 1
    assert (await session.flush()).text == "second heard new"
    await session.close()

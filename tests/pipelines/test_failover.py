"""Fallbacks: who takes over, when, and that it is reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.errors import Remedy, StageError, StageTimeout
from pipelines.failover import (
    LLM_LIMITS,
    TTS_LIMITS,
    FailoverLlm,
    FailoverTts,
    Named,
    Switched,
)
from pipelines.news import Hedged, News
from pipelines.stages import (
    Expect,
    Hint,
    Llm,
    LlmEvent,
    LlmRequest,
    Message,
    TextDelta,
    ToolCall,
    Tts,
    TtsChunk,
    Voice,
    Word,
)
from pipelines.stock import Stock

REQUEST = LlmRequest([], [])
DEFAULT_VOICE = Voice()


class Engine:
    """A model and a voice that gives its pieces, then fails, hangs or ends."""

    def __init__(
        self, *pieces: str, then: str = "ends", after_ms: float = 10.0, remedy: Remedy = Remedy.SWITCH
    ) -> None:
        self.pieces, self.then, self.after_ms, self.remedy = pieces, then, after_ms, remedy
        self.open = self.asked = 0
        self.voices: list[Voice] = []
        self.requests: list[LlmRequest] = []
        self.texts: list[str] = []

    async def _give(self) -> AsyncGenerator[str, None]:
        self.open += 1
        self.asked += 1
        try:
            for piece in self.pieces:
                await pass_ms(self.after_ms)
                yield piece
            if self.then == "fails":
                raise StageError("broken", stage="any", provider="scripted", remedy=self.remedy)
            if self.then == "hangs":
                await asyncio.get_running_loop().create_future()
        finally:
            self.open -= 1

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        self.requests.append(request)
        async with aclosing(self._give()) as pieces:
            async for piece in pieces:
                yield TextDelta(piece)

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        self.voices.append(voice)
        self.texts.append(text)
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
        self.news: list[tuple[str, str]] = []  # who was asked instead of whom
        self.races: list[tuple[str, str, str]] = []
        self.got: list[str] = []

    def report(self, news: News) -> None:
        assert news.stage == self.stage
        if isinstance(news, Switched):
            assert news.error
            self.news.append((news.provider, news.to))
        elif isinstance(news, Hedged):
            self.races.append((news.provider, news.to, news.winner))

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
    assert virtual_loop().time() - began == pytest.approx(limits.hedge_s + 0.01)
    assert play.news == []
    assert play.races == [("e0", "e1", "e1")]


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
    assert play.news == [("e0", "e0"), ("e0", "e1")]


@each_stage
@in_virtual_time
async def test_an_only_engine_is_asked_again_once(stage: str) -> None:
    engine = Engine(then="fails", remedy=Remedy.RETRY)
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
    await pass_ms(60_000)
    first.pieces = ("half",)
    spoken = [chunk.audio async for chunk in tts.synthesize("One moment.", Voice(), TELEPHONE)]
    assert spoken == [b"half", b"x"]
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
async def test_another_one_goes_on_in_the_middle_of_an_answer(stage: str) -> None:
    play = Play(Engine("a", then="fails"), Engine("x"), stage=stage)
    assert "".join(await play.ask()) in ("a x", "ax")
    assert play.news == [("e0", "e1")]


@each_stage
@in_virtual_time
async def test_a_stall_in_the_middle_has_a_deadline_too(stage: str) -> None:
    play = Play(Engine("a", then="hangs"), Engine("x"), stage=stage)
    began = virtual_loop().time()
    await play.ask()
    limits = LLM_LIMITS if stage == "llm" else TTS_LIMITS
    assert virtual_loop().time() - began == pytest.approx(limits.switch_s + 0.02)
    assert play.news == [("e0", "e1")]


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


# --- in the middle of an answer -------------------------------------------------------------------


@in_virtual_time
async def test_the_next_model_is_told_what_was_said_and_what_it_repeats_is_cut() -> None:
    first, second = Engine("Of ", "course, ", "I ca", then="fails"), Engine("Of course, ", "I can ", "help you.")
    llm = FailoverLlm([Named[Llm]("e0", first), Named[Llm]("e1", second)], lambda news: None)
    asked = LlmRequest([Message("system", "Be kind."), Message("user", "Help!")], [])
    text = "".join([event.text async for event in llm.stream(asked) if isinstance(event, TextDelta)])
    assert text == "Of course, I can help you."
    system, user = second.requests[0].messages
    assert system.content.startswith("Be kind.")
    assert "<<Of course, I ca>>" in system.content
    assert user == asked.messages[1]
    assert asked.messages[0].content == "Be kind.", "the history is left alone"


@in_virtual_time
async def test_an_only_model_is_asked_for_the_rest_too() -> None:
    model = Engine("Of ", "course.", then="fails", remedy=Remedy.RETRY)
    llm = FailoverLlm([Named[Llm]("e0", model)], lambda news: None)
    stream = llm.stream(REQUEST)
    text = ""
    async with aclosing(stream) as events:
        async for event in events:
            assert isinstance(event, TextDelta)
            text += event.text
            model.pieces = ("Of course. ", "When?")
            model.then = "fails" if model.asked == 1 else "ends"
    assert text == "Of course. When?"
    assert model.requests[1].messages[0].role == "system"


class Caller:
    """A model that calls a tool, and breaks before it has ended."""

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        await pass_ms(10)
        yield Hint(Expect.DATE)
        yield TextDelta("Let me see. ")
        yield ToolCall("1", "look", {})
        raise StageError("broken", stage="llm", provider="caller")

    async def close(self) -> None: ...


@in_virtual_time
async def test_a_model_that_breaks_after_a_tool_call_has_answered() -> None:
    """The call is run; who is asked next hears of its result. Nobody calls it twice."""
    spare, news = Engine("x"), list[News]()
    llm = FailoverLlm([Named[Llm]("e0", Caller()), Named[Llm]("e1", spare)], news.append)
    assert [type(event) async for event in llm.stream(REQUEST)] == [Hint, TextDelta, ToolCall]
    assert spare.asked == 0
    assert isinstance(news[-1], Switched)
    assert (news[-1].to, news[-1].midway) == ("e1", True)
    assert [event async for event in llm.stream(REQUEST)] == [TextDelta("x")], "the first one is left alone"


@in_virtual_time
async def test_hints_of_a_loser_are_not_heard() -> None:
    class Hinting(Engine):
        async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
            yield Hint(Expect.PHONE)
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event

    slow = Hinting(then="hangs")
    llm = FailoverLlm([Named[Llm]("e0", slow), Named[Llm]("e1", Engine("x"))], lambda news: None)
    assert [event async for event in llm.stream(REQUEST)] == [TextDelta("x")]
    assert slow.open == 0


class Timed(Engine):
    """A voice that tells when its words are heard, 200 ms each, and breaks after so many pieces of 150 ms."""

    def __init__(self, pieces: int, then: str) -> None:
        super().__init__(*["x" * 1200] * pieces, then=then)

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        words = tuple(Word(word, i * 200.0, i * 200.0 + 200.0) for i, word in enumerate(text.split()))
        async with aclosing(super().synthesize(text, voice, audio_format)) as chunks:
            async for chunk in chunks:
                yield TtsChunk(chunk.audio, words)
                words = ()


@in_virtual_time
async def test_the_next_voice_speaks_the_rest_of_the_sentence_and_its_times_go_on() -> None:
    first, second, third = Timed(3, "fails"), Timed(3, "fails"), Timed(2, "ends")
    engines = [Named[Tts](f"e{i}", engine) for i, engine in enumerate((first, second, third))]
    tts = FailoverTts(engines, lambda news: None)
    chunks = [c async for c in tts.synthesize("one two three four five six", Voice("anna"), TELEPHONE)]
    assert [engine.texts for engine in (first, second, third)] == [
        ["one two three four five six"],
        ["three four five six"],
        ["five six"],
    ]
    assert [voice.voice_id for voice in (*first.voices, *second.voices)] == ["anna", ""]
    assert sum(len(chunk.audio) for chunk in chunks) == 8 * 1200
    begins = [chunk.words[0] for chunk in chunks if chunk.words]
    assert [(word.text, word.start_ms) for word in begins] == [("one", 0.0), ("three", 450.0), ("five", 900.0)]


@in_virtual_time
async def test_a_voice_that_breaks_after_its_last_word_has_spoken() -> None:
    spare = Engine("x")
    tts = FailoverTts([Named[Tts]("e0", Timed(3, "hangs")), Named[Tts]("e1", spare)], lambda news: None)
    assert len([c async for c in tts.synthesize("one two", Voice(), TELEPHONE)]) == 3
    assert spare.asked == 0

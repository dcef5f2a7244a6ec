"""Faults in every engine, and what the caller hears of them: measured on the audio that the carrier played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from screenplay import BOOK, GREETING, Call
from scripted import Line, Recogniser, Speaker
from virtual_time import in_virtual_time, pass_ms

from config.schema import TurnPolicy
from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.errors import StageError
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.failover import FailoverLlm, FailoverTts, Named, open_stt
from pipelines.phrases import all_sentences, first_aid, phrases
from pipelines.stages import (
    Expect,
    Llm,
    LlmEvent,
    LlmRequest,
    Stt,
    SttOptions,
    TextDelta,
    ToolCall,
    Transcript,
    Tts,
    TtsChunk,
    Voice,
)
from pipelines.stock import Stock

SPOKEN = phrases("en")
TABLE = "I would like to book a table"
LOOK = ToolCall("t1", "opening_hours", {})
ANSWER = "Of course. What day would suit you best?"
FAULTS = ["stall before", "stall inside", "error", "error inside", "empty", "slow"]


class Fault:
    """Spoils what an engine gives: from request `first` on, `times` times."""

    def __init__(self, stage: str, kind: str, first: int = 0, times: int = 1000) -> None:
        self.stage, self.kind = stage, kind
        self._left = range(first, first + times)
        self._asked = 0

    def now(self) -> str:
        self._asked += 1
        return self.kind if self._asked - 1 in self._left else ""

    def error(self) -> StageError:
        return StageError("out of order", stage=self.stage, provider="faulty")

    async def spoil(self, items: AsyncGenerator[Any, None], slow_ms: float) -> AsyncGenerator[Any, None]:
        kind, given = self.now(), 0
        async with aclosing(items) as open_items:
            async for item in open_items:
                if given == 0 and kind in ("stall before", "error", "empty"):
                    break
                if given == 2 and kind in ("stall inside", "error inside"):
                    break
                if kind == "slow":
                    await pass_ms(slow_ms)
                yield item
                given += 1
        if kind.startswith("stall"):
            await asyncio.get_running_loop().create_future()
        if kind.startswith("error"):
            raise self.error()


class FaultyStt:
    """An `Stt` with one session. It hears nothing while it fails, not even a partial."""

    def __init__(self, session: Recogniser, fault: Fault | None) -> None:
        self._session = session
        self._fault = fault
        self.partial = ""

    async def open(self, options: SttOptions) -> FaultyStt:
        self._session.closed = False
        return self

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._session.begin(expect)

    def feed(self, pcm: bytes) -> None:
        self._session.feed(pcm)
        kind = self._fault.kind if self._fault else ""
        self.partial = self._session.partial if kind in ("", "slow", "stall inside", "error inside") else ""

    async def flush(self) -> Transcript:
        kind = self._fault.now() if self._fault else ""
        if kind.startswith("stall"):
            await asyncio.get_running_loop().create_future()
        if kind == "slow":
            await pass_ms(2200)
        if kind.startswith("error"):
            assert self._fault is not None
            raise self._fault.error()
        return Transcript("") if kind == "empty" else await self._session.flush()

    def end(self) -> None:
        self._session.end()

    async def close(self) -> None:
        self._session.closed = True


class FaultyLlm:
    def __init__(self, inner: Llm, fault: Fault) -> None:
        self._inner, self._fault = inner, fault

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        async with aclosing(self._fault.spoil(self._inner.stream(request), 1100.0)) as events:
            async for event in events:
                yield event

    async def close(self) -> None: ...


class FaultyTts:
    def __init__(self, inner: Tts, fault: Fault) -> None:
        self._inner, self._fault = inner, fault

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        pieces = self._inner.synthesize(text, voice, audio_format)
        async with aclosing(self._fault.spoil(pieces, 1500.0)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None: ...


class Patter:
    """A model that answers everything the same, as often as it is asked."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = list(lines)
        self.open = 0

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        line = self._lines.pop(0) if self._lines else Line(ANSWER)
        self.open += 1
        try:
            await pass_ms(line.first_token_ms)
            for word in line.text.split():
                yield TextDelta(f"{word} ")
                await pass_ms(line.word_ms)
            for call in line.tools:
                yield call
        finally:
            self.open -= 1

    async def close(self) -> None: ...


async def faulty_call(
    fault: Fault, *, second: bool, stocked: bool = True, lines: Sequence[Line] = (), limit_ms: int = 2500
) -> Call:
    """A call whose engines stand in ordered lists; `second`: there is a sound one behind the faulty one."""
    call = Call(turn=TurnPolicy(unexplained_silence_ms=limit_ms))
    model, spare = Patter(lines), Speaker(call.book)
    call.model = model  # type: ignore[assignment]
    stock = Stock(all_sentences())
    voices: list[Named[Tts]] = [Named("first", call.speaker)]
    models: list[Named[Llm]] = [Named("first", model)]
    ears: list[Named[Stt]] = [Named("first", FaultyStt(call.recogniser, None))]
    if stocked:
        await FailoverTts(voices, print, stock).stock_up(first_aid("en"), Voice(), TELEPHONE)
        call.speaker.said.clear()
    if fault.stage == "tts":
        inner: Tts = FaultyTts(call.speaker, fault)
        if stocked:  # from when it still worked
            for sentence in first_aid("en"):
                kept = stock.shelf(call.speaker, Voice(), TELEPHONE).get(sentence)
                assert kept is not None
                stock.shelf(inner, Voice(), TELEPHONE).put(sentence, kept)
        voices = [Named("first", inner)]
    elif fault.stage == "llm":
        models = [Named("first", FaultyLlm(model, fault))]
    elif fault.stage == "stt":
        ears = [Named("first", FaultyStt(call.recogniser, fault))]
    if second:
        voices.append(Named("second", spare))
        models.append(Named("second", model))
        ear = Recogniser(call.book)
        ear.lengths = call.recogniser.lengths
        ears.append(Named("second", FaultyStt(ear, None)))
    call.use(
        await open_stt(ears, SttOptions(), lambda news: call.conversation.switched(news)),
        FailoverLlm(models, lambda news: call.conversation.switched(news)),
        FailoverTts(voices, lambda news: call.conversation.switched(news), stock, silence_ms=limit_ms),
    )
    return call


def longest_silence_ms(call: Call, since_ms: float, until_ms: float) -> float:
    """The longest wait for the agent's next sound, from `since_ms` on to his last one before `until_ms`."""
    heard = [at for at, audio in call.carrier.frames if since_ms <= at < until_ms and audio[0] != 0xFF]
    return max((after - before for before, after in pairwise([since_ms, *heard])), default=until_ms - since_ms)


def trouble(call: Call) -> list[CallEvent]:
    """What is on the record of engines that failed or were slow."""
    kinds = (EventKind.STAGE_FAILED, EventKind.STAGE_SWITCHED, EventKind.STAGE_HEDGED)
    return [event for kind in kinds for event in call.events(kind)]


async def wait_for_peace(call: Call) -> None:
    """Until it is the caller's turn again, or the call is over."""
    conversation = call.conversation
    await call.until(
        lambda: call.reason is not None or conversation._floor.floor.name == "LISTENING", within_ms=60_000.0
    )
    await call.wait(50)


@pytest.mark.parametrize("limit_ms", [2500, 1500])
@pytest.mark.parametrize("second", [True, False], ids=["with a second engine", "alone"])
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
def test_the_caller_never_waits_in_silence(stage: str, kind: str, second: bool, limit_ms: int) -> None:
    """The engine fails from the first turn on, for good. Three turns, unless the call is given up before."""

    @in_virtual_time
    async def play() -> None:
        fault = Fault(stage, kind, first=1 if stage == "tts" else 0)  # the greeting is spoken
        call = await faulty_call(fault, second=second, limit_ms=limit_ms)
        async with call:
            await call.greeted()
            for number in range(3):
                said_until = await call.speak(f"{TABLE} number {number}")
                await call.wait(limit_ms)
                await wait_for_peace(call)
                until = call.now
                assert call.carrier.audible(said_until) is not None, call.story()
                assert longest_silence_ms(call, said_until, until) <= limit_ms, call.story()
                if call.reason is not None:
                    assert call.reason is EndReason.PIPELINE_FAILED
                    break
            if kind != "slow" and not (stage == "stt" and kind == "empty"):
                assert trouble(call)
            if not second and kind in ("stall before", "error", "empty") and stage != "stt":
                assert call.reason is EndReason.PIPELINE_FAILED
            if second and kind in ("stall before", "error", "empty") and stage != "stt":
                assert [turn.heard_text for turn in call.records.turns] == [GREETING, ANSWER, ANSWER, ANSWER]

    play()


@pytest.mark.parametrize("second", [True, False], ids=["with a second engine", "alone"])
@pytest.mark.parametrize("stocked", [True, False], ids=["stocked", "bare"])
@pytest.mark.parametrize("kind", ["stall before", "stall inside", "error", "error inside", "empty"])
def test_a_greeting_that_cannot_be_spoken(kind: str, stocked: bool, second: bool) -> None:
    """Nobody is left listening to nothing: words come in time, or the call ends and says why."""

    @in_virtual_time
    async def play() -> None:
        async with await faulty_call(Fault("tts", kind), second=second, stocked=stocked) as call:
            began = call.now
            await call.wait(2500)
            await wait_for_peace(call)
            if second or kind.endswith("inside"):
                assert longest_silence_ms(call, began, call.now) <= 2500, call.story()
                assert call.carrier.audible() is not None
            if not second:
                assert call.reason is EndReason.PIPELINE_FAILED
            assert call.now < 8000
            assert trouble(call)

    play()


@pytest.mark.parametrize("kind", ["stall before", "error", "empty"])
def test_when_every_voice_is_dead_the_call_ends(kind: str) -> None:
    @in_virtual_time
    async def play() -> None:
        fault = Fault("tts", kind, first=1)
        async with await faulty_call(fault, second=False, stocked=False) as call:
            await call.greeted()
            said_until = await call.speak(TABLE)
            assert await call.ended(within_ms=10_000) is EndReason.PIPELINE_FAILED
            assert call.now - said_until < 8000
            assert call.records.turns[-1].caller_text == TABLE
            assert call.records.turns[-1].heard_text == ""
            assert {event.data["stage"] for event in call.events(EventKind.STAGE_FAILED)} == {"tts"}

    play()


@pytest.mark.parametrize("tool", [LOOK, BOOK], ids=["looking up", "side effect"])
@pytest.mark.parametrize("tool_ms", [3500.0, 60_000.0])
def test_a_slow_tool_is_excused(tool: ToolCall, tool_ms: float) -> None:
    @in_virtual_time
    async def play() -> None:
        call = await faulty_call(Fault("none", ""), second=False, lines=[Line(tools=(tool,))])
        book, hours = call.calendar.book, call.calendar.opening_hours

        async def slow_book(*arguments: Any) -> Any:
            await pass_ms(tool_ms)
            return await book(*arguments)

        async def slow_hours() -> Any:
            await pass_ms(tool_ms)
            return await hours()

        call.calendar.book = slow_book  # type: ignore[method-assign]
        call.calendar.opening_hours = slow_hours  # type: ignore[method-assign]
        async with call:
            await call.greeted()
            said_until = await call.speak(TABLE)
            turn = await call.turn_over()
            assert longest_silence_ms(call, said_until, call.now) <= 2500, call.story()
            assert call.carrier.heard(said_until).startswith(SPOKEN.one_moment)
            assert turn.heard_text == ANSWER
            assert call.events(EventKind.FALLBACK_SPOKEN)[0].data["text"] == SPOKEN.one_moment

    play()


@in_virtual_time
async def test_a_recogniser_that_hangs_while_an_interruption_is_judged() -> None:
    fault = Fault("stt", "stall before", first=1)
    call = await faulty_call(fault, second=False, lines=[Line("Well. " + "That is a long story. " * 6)])
    async with call:
        await call.greeted()
        said_until = await call.speak(TABLE)
        await call.answered(said_until)
        await call.wait(1500)
        silent_since = await call.cough(240)
        await call.until(lambda: call.events(EventKind.FALSE_ALARM))
        await call.wait(500)
        assert longest_silence_ms(call, silent_since, call.now) <= 2500, call.story()


@in_virtual_time
async def test_who_hesitates_is_waited_for_long_and_excused_all_the_same() -> None:
    async with await faulty_call(Fault("llm", "stall before"), second=False) as call:
        await call.greeted()
        said_until = await call.speak(f"{TABLE} for um")
        await call.wait(2500)
        await wait_for_peace(call)
        assert longest_silence_ms(call, said_until, call.now) <= 2500, call.story()


@pytest.mark.parametrize("stage", ["llm", "tts"])
def test_one_failure_is_not_heard_of(stage: str) -> None:
    """Who has given nothing is asked again."""

    @in_virtual_time
    async def play() -> None:
        fault = Fault(stage, "error", first=1 if stage == "tts" else 0, times=1)
        async with await faulty_call(fault, second=False) as call:
            await call.greeted()
            said_until = await call.speak(TABLE)
            turn = await call.turn_over()
            assert turn.heard_text == call.carrier.heard(said_until) == ANSWER
            assert [event.data["to"] for event in call.events(EventKind.STAGE_SWITCHED)] == ["first"]
            assert call.events(EventKind.STAGE_FAILED) == []

    play()


@in_virtual_time
async def test_what_failed_to_be_spoken_is_not_on_record_as_heard() -> None:
    async with await faulty_call(Fault("tts", "stall inside", first=1), second=False) as call:
        await call.greeted()
        said_until = await call.speak(TABLE)
        turn = await call.turn_over()
        heard = call.carrier.heard(said_until)
        assert turn.heard_text == heard
        assert turn.generated_text.startswith(ANSWER)
        assert heard != turn.generated_text


@in_virtual_time
async def test_a_goodbye_that_cannot_be_spoken_ends_the_call_all_the_same() -> None:
    async with await faulty_call(Fault("tts", "error", first=1), second=False) as call:
        await call.greeted()
        call.conversation.say_goodbye(EndReason.SERVER_SHUTDOWN)
        assert await call.ended(within_ms=3000) is EndReason.SERVER_SHUTDOWN
        (goodbye,) = call.events(EventKind.GOODBYE)
        assert goodbye.data == {"reason": "server_shutdown"}
        assert call.events(EventKind.STAGE_FAILED)
